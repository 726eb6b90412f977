#!/bin/sh
# Builds another BlueZ than this machine's from Debian's source packages, once, and prints the folder that holds it;
# with -mended, it is patched by systemd/bluez-*.patch.
#
# Law: the folder is named by what made it (BlueZ's version and the recipe below); it holds bluetoothd and btmon whole or
# does not exist; a build that was interrupted goes on where it stopped; nothing of this machine's BlueZ is touched, and
# nothing is written outside the cache folder. Sources come from the Debian mirror that this machine's apt uses, checked
# by apt against Debian's own keys.
# usage: bluez.sh [--path] 5.66|5.82|5.87|newest[-mended]     --path prints the folder, builds nothing, exits 1 if it is not there
set -eu

cache=${HUBD_LAB_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/hubd-lab}
suites="bookworm trixie sid"
patches=$(cd "$(dirname "$0")/../../systemd" && ls "$PWD"/bluez-*.patch)
recipe=1 # raise it when what is done below changes the binaries
options="--prefix=/usr --libexecdir=/usr/libexec --sysconfdir=/etc --localstatedir=/var --disable-dependency-tracking
 --disable-manpages --disable-client --disable-tools --disable-obex --disable-mesh --disable-cups --disable-udev
 --disable-midi --disable-systemd --disable-silent-rules"
packages="gcc make patch libc6-dev dpkg-dev flex bison pkg-config libdbus-1-dev libglib2.0-dev xz-utils"
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

say() { printf 'lab bluez: %s\n' "$*" >&2; }

only_path=
[ "${1:-}" != --path ] || { only_path=yes; shift; }
wanted=${1:-}
mended=
case $wanted in *-mended) mended=-mended wanted=${wanted%-mended} ;; esac
case $wanted in
    newest | [0-9]*.[0-9]*) ;;
    *) say "usage: bluez.sh [--path] 5.66|5.82|5.87|newest[-mended]"; exit 2 ;;
esac
key=$(printf '%s %s\n' "$recipe" "$options" | sha256sum | cut -c1-8)
newest=$cache/bluez-newest-$key # a file with the version that was the newest when one asked
# shellcheck disable=SC2086 # a list
[ -z "$mended" ] || key=$({ echo "$key"; cat $patches; } | sha256sum | cut -c1-8)
folder_of() { printf '%s/bluez-%s%s-%s\n' "$cache" "$1" "$mended" "$key"; }

if [ -n "$only_path" ]; then
    [ "$wanted" != newest ] || wanted=$(cat "$newest" 2>/dev/null) || exit 1
    folder_of "$wanted"
    [ -x "$(folder_of "$wanted")/bluetoothd" ]
    exit
fi
if [ "$wanted" != newest ] && [ -x "$(folder_of "$wanted")/bluetoothd" ]; then
    folder_of "$wanted"
    exit
fi

lacking=
for tool in gcc make flex bison patch pkg-config dpkg-source xz flock apt-get; do
    command -v "$tool" >/dev/null || lacking="$lacking $tool"
done
for library in dbus-1 glib-2.0; do
    pkg-config --exists "$library" 2>/dev/null || lacking="$lacking $library"
done
[ -f "$keyring" ] || lacking="$lacking $keyring"
if [ -n "$lacking" ]; then
    say "cannot be built, this machine lacks:$lacking"
    say "install with: apt-get install --no-install-recommends $packages debian-archive-keyring"
    exit 1
fi

mkdir -p "$cache"
exec 9>"$cache/lock-bluez"
flock -n 9 || { say "another build is under way; waiting for it"; flock 9; }

# An apt of its own: lists and settings under the cache folder, sources only.
apt=$cache/apt
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 'Label: Debian' | head -n 1)
[ -n "$mirror" ] || { say "this machine's apt knows no Debian mirror, or its lists are empty: run apt-get update"; exit 1; }
mkdir -p "$apt/lists/partial" "$apt/archives/partial"
for suite in $suites; do
    printf 'deb-src [signed-by=%s] %s %s main\n' "$keyring" "$mirror" "$suite"
done >"$apt/sources.list"
private() {
    command=$1; shift
    "$command" -q -o Dir::Etc::SourceList="$apt/sources.list" -o Dir::Etc::SourceParts=/dev/null \
        -o Dir::Etc::Preferences=/dev/null -o Dir::Etc::PreferencesParts=/dev/null \
        -o Dir::State::Lists="$apt/lists" -o Dir::Cache="$apt" -o APT::Sandbox::User=root "$@"
}
private apt-get update >"$apt/log" 2>&1 || { tail -5 "$apt/log" >&2; say "the mirror's lists cannot be had"; exit 1; }
offered=$(private apt-cache showsrc --only-source bluez 2>/dev/null | sed -n 's/^Version: //p' | sort -uV)
case $wanted in
    newest) package=$(printf '%s\n' "$offered" | tail -n 1) ;;
    *) package=$(printf '%s\n' "$offered" | grep -F -- "$wanted-" | tail -n 1) || true ;;
esac
[ -n "$package" ] || { say "Debian ($suites) has no BlueZ $wanted; it has:" $offered; exit 1; }
version=${package#*:}
version=${version%-*}
folder=$(folder_of "$version")
[ "$wanted" != newest ] || printf '%s\n' "$version" >"$newest"
if [ -x "$folder/bluetoothd" ]; then
    printf '%s\n' "$folder"
    exit
fi

work=$cache/bluez-tree-$package-$key
if [ ! -f "$work/.unpacked" ]; then
    say "fetching the source package $package"
    rm -rf "$work"
    mkdir -p "$work"
    cd "$work"
    if private apt-get source "bluez=$package" >"$apt/log" 2>&1; then
        echo "$package" >.unpacked
    elif private apt-get source --tar-only "bluez=$package" >>"$apt/log" 2>&1 && tar -xf bluez_"$version".orig.tar.*; then
        say "this mirror does not hold Debian's changes to it any more: taking $version as BlueZ released it"
        echo "$version, without Debian's changes" >.unpacked
    else
        tail -5 "$apt/log" >&2
        say "the source package cannot be had"
        exit 1
    fi
fi
cd "$work/bluez-$version"
if [ -n "$mended" ] && [ ! -f .mended ]; then
    for patch in $patches; do
        patch -p1 <"$patch" >>"$apt/log" || { tail -5 "$apt/log" >&2; say "$patch does not apply"; exit 1; }
    done
    touch .mended
fi
if [ ! -x configure ]; then # Debian's 5.66 comes without it
    command -v autoreconf >/dev/null || { say "install with: apt-get install --no-install-recommends autoconf automake libtool"; exit 1; }
    autoreconf -fi >"$cache/bluez.log" 2>&1 || { tail -5 "$cache/bluez.log" >&2; say "autoreconf failed"; exit 1; }
fi
if [ ! -f .configured ]; then
    # shellcheck disable=SC2086 # the options are words
    ./configure $options >"$cache/bluez.log" 2>&1 || { tail -5 "$cache/bluez.log" >&2; say "configure failed"; exit 1; }
    touch .configured
fi
say "building $package in $PWD (one or two minutes, once); log: $cache/bluez.log"
nice -n 19 make -j"$(nproc)" >>"$cache/bluez.log" 2>&1 || {
    tail -20 "$cache/bluez.log" >&2
    say "the build failed; run it again to go on where it stopped"
    exit 1
}
mkdir -p "$folder.new"
strip -o "$folder.new/bluetoothd" src/bluetoothd
strip -o "$folder.new/btmon" monitor/btmon
cp "$work/.unpacked" "$folder.new/package"
mv "$folder.new" "$folder"
cd "$cache"
rm -rf "$work"
printf '%s\n' "$folder"
