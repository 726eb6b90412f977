#!/bin/sh
# Builds the lab's user-mode kernel once, from Debian's kernel source package, and prints the path of the binary.
#
# Law: the binary is named by what made it (source version, kernel.config, recipe), so an old one is never taken for a
# new one; a build that was interrupted goes on where it stopped; nothing is written outside the cache folder.
# usage: kernel.sh              build
#        kernel.sh --path       print where the binary is or would be; exit 1 if it is not there
#        kernel.sh --lacking    print what a build would lack on this machine
#        kernel.sh --packages   print the packages that a build needs
set -eu

here=$(cd "$(dirname "$0")" && pwd)
cache=${HUBD_LAB_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/hubd-lab}
recipe=2 # raise it when what is done below changes the binary
packages="linux-source-6.12 flex bison bc libelf-dev gcc make libc6-dev xz-utils"

say() { printf 'lab kernel: %s\n' "$*" >&2; }

source_archive() {
    for archive in /usr/src/linux-source-6.12.tar.xz /usr/src/linux-source-*.tar.xz; do
        if [ -f "$archive" ]; then printf '%s\n' "$archive"; return; fi
    done
}

# A processor with AMX has 11,008 bytes of floating-point state and refuses to restore a part of them; this source's
# frame holds 2,696, and its first process panics there. A processor with less state takes the larger frame as well.
hold_any_fp_state() {
    [ -f "$1" ] || return 0 # not x86
    sed -i 's|(HOST_FP_SIZE, 2696)|(HOST_FP_SIZE, 11008)|' "$1"
    grep -q '(HOST_FP_SIZE, 11008)' "$1" || { say "this source does not say HOST_FP_SIZE as the recipe expects"; exit 1; }
}

archive=$(source_archive)
if [ -n "$archive" ]; then
    stamp=$(dpkg-query -W -f '${Version}' "$(basename "$archive" .tar.xz)" 2>/dev/null || stat -c '%s' "$archive")
else
    stamp=none
fi
options=$(grep -v '^#' "$here/kernel.config")
source=$(printf '%s %s\n' "$archive" "$stamp" | sha256sum | cut -c1-8)
key=$source-$(printf '%s %s\n' "$recipe" "$options" | sha256sum | cut -c1-12)
binary=$cache/linux-$key

lacking=
[ -n "$archive" ] || lacking="$lacking linux-source"
for tool in flex bison bc gcc make xz flock; do
    command -v "$tool" >/dev/null || lacking="$lacking $tool"
done
[ -f /usr/include/libelf.h ] || lacking="$lacking libelf.h"
case ${1:-} in
    --lacking) printf '%s\n' "$lacking"; exit ;;
    --packages) printf '%s\n' "$packages"; exit ;;
    --path) printf '%s\n' "$binary"; [ -x "$binary" ]; exit ;;
esac
if [ -x "$binary" ]; then
    printf '%s\n' "$binary"
    exit
fi

if [ -n "$lacking" ]; then
    say "cannot be built, this machine lacks:$lacking"
    say "install with: apt-get install --no-install-recommends $packages"
    exit 1
fi

mkdir -p "$cache"
exec 9>"$cache/lock"
flock -n 9 || { say "another build is under way; waiting for it"; flock 9; }
if [ -x "$binary" ]; then
    printf '%s\n' "$binary"
    exit
fi

tree=$cache/tree-$source
if [ ! -f "$tree/.unpacked" ]; then
    say "unpacking $archive"
    rm -rf "$tree"
    mkdir -p "$tree"
    tar -xJf "$archive" -C "$tree" --strip-components=1
    hold_any_fp_state "$tree/arch/x86/um/user-offsets.c"
    touch "$tree/.unpacked"
fi
cd "$tree"
if [ "$(cat .configured 2>/dev/null)" != "$key" ]; then
    make -s ARCH=um defconfig >"$cache/config.log" 2>&1
    for option in $options; do
        case $option in
            *=*) scripts/config --set-val "${option%%=*}" "${option#*=}" ;;
            *) scripts/config -e "$option" ;;
        esac
    done
    make -s ARCH=um olddefconfig >>"$cache/config.log" 2>&1
    unmet=
    for option in $options; do
        case $option in *=*) line=CONFIG_$option ;; *) line=CONFIG_$option=y ;; esac
        grep -qx "$line" .config || unmet="$unmet $option"
    done
    [ -z "$unmet" ] || { say "this source has no:$unmet"; exit 1; }
    printf '%s' "$key" >.configured
fi
say "building in $tree (7 to 15 minutes, once); log: $cache/build.log"
nice -n 19 make -j"$(nproc)" ARCH=um linux >"$cache/build.log" 2>&1 || {
    tail -20 "$cache/build.log" >&2
    say "the build failed; run it again to go on where it stopped"
    exit 1
}
strip -o "$binary.new" linux
mv "$binary.new" "$binary"
cd "$cache"
rm -rf "$tree"
printf '%s\n' "$binary"
