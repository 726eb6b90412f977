#!/bin/sh
# Makes a package of Debian's own BlueZ that survives a phone that leaves in the middle of a request, and installs it.
#
# Laws:
# 1. It builds the newest source that Debian has for this release (12 or 13). Only bluez-client-left.patch changes it.
# 2. apt checks the source against Debian's keys.
# 3. apt's own settings stay as they are.
#
# `build` installs the packages that a build needs. So run it on another machine than the hub, with the hub's Debian
# release and kind of processor.
# usage, as root: bluez-mended.sh build FOLDER      leaves FOLDER/bluez_VERSION+hubd1_ARCHITECTURE.deb
#                 bluez-mended.sh install FOLDER    installs that, holds it against upgrades, restarts bluetoothd
set -eu

here=$(cd "$(dirname "$0")" && pwd)
mark=+hubd1

say() { printf 'bluez: %s\n' "$*" >&2; }
refuse() { say "$*"; exit 1; }
usage() { refuse "usage: bluez-mended.sh build|install FOLDER"; }

[ $# = 2 ] || usage
[ "$(id -u)" = 0 ] || refuse "it installs packages, which takes root: sudo $0 $*"
what=$1
mkdir -p "$2"
folder=$(cd "$2" && pwd)
# shellcheck disable=SC1091
. /etc/os-release
case ${VERSION_CODENAME:-} in
    bookworm | trixie) ;;
    *) refuse "${PRETTY_NAME:-this system} is neither Debian 12 nor 13: take its own source package of bluez and" \
        "systemd/bluez-client-left.patch by hand" ;;
esac

# Run apt with its own lists, which hold only sources: this machine's sources.list may have no deb-src.
private() {
    command=$1
    shift
    "$command" -q -o Dir::Etc::SourceList="$folder/apt/sources.list" -o Dir::Etc::SourceParts=/dev/null \
        -o Dir::State::Lists="$folder/apt/lists" -o Dir::Cache="$folder/apt" -o APT::Sandbox::User=root "$@"
}

fetch_source() {
    for keyring in /usr/share/keyrings/debian-archive-keyring.pgp /usr/share/keyrings/debian-archive-keyring.gpg none; do
        [ ! -f "$keyring" ] || break
    done
    [ "$keyring" != none ] || refuse "this machine has no keys of Debian's: apt-get install debian-archive-keyring"
    mkdir -p "$folder/apt/lists/partial" "$folder/apt/archives/partial"
    apt-get indextargets --format '$(REPO_URI) $(CODENAME) $(COMPONENT)' 'Created-By: Packages' 'Origin: Debian' 'Component: main' |
        sort -u | sed "s|^|deb-src [signed-by=$keyring] |" >"$folder/apt/sources.list"
    [ -s "$folder/apt/sources.list" ] || refuse "this machine's apt knows no Debian mirror: run apt-get update"
    private apt-get update >"$folder/log" 2>&1 || refuse "the sources' lists cannot be had: $folder/log"
    (cd "$folder" && private apt-get source bluez >>"$folder/log" 2>&1) || refuse "the source cannot be had: $folder/log"
}

build() {
    rm -rf "$folder"/bluez-* "$folder"/*.deb
    export DEBIAN_FRONTEND=noninteractive
    say "fetching the source and what a build needs"
    apt-get update >"$folder/log" 2>&1 || refuse "apt-get update failed: $folder/log"
    apt-get install -y --no-install-recommends dpkg-dev patch fakeroot build-essential >>"$folder/log" 2>&1 ||
        refuse "the tools of a build cannot be installed: $folder/log"
    fetch_source
    tree=$(echo "$folder"/bluez-*/)
    cd "$tree"
    version=$(dpkg-parsechangelog -S Version)
    apt-get build-dep -y --no-install-recommends "$tree" >>"$folder/log" 2>&1 ||
        refuse "what its build needs cannot be installed: $folder/log"
    patch -p1 <"$here/bluez-client-left.patch" >>"$folder/log" || refuse "the patch does not apply to $version: $folder/log"
    # The mark makes the package newer than the version it was made of, and older than Debian's next.
    {
        printf 'bluez (%s%s) %s; urgency=medium\n\n' "$version" "$mark" "$VERSION_CODENAME"
        printf '  * A phone that leaves in the middle of a request no longer brings bluetoothd down.\n\n'
        printf ' -- hubd <root@localhost>  %s\n\n' "$(date -R)"
        cat debian/changelog
    } >debian/changelog.new
    mv debian/changelog.new debian/changelog
    say "building $version$mark (some minutes); log: $folder/log"
    DEB_BUILD_OPTIONS="nocheck noddebs parallel=$(nproc)" nice -n 19 dpkg-buildpackage -b -uc -us >>"$folder/log" 2>&1 ||
        refuse "the build failed: $folder/log"
    cd "$folder"
    rm -rf "$folder/apt" "$tree"
    ls "$folder"/bluez_*"$mark"_*.deb
    say "install it on a hub of the same Debian and processor: $0 install FOLDER"
}

install() {
    package=$(ls "$folder"/bluez_*"$mark"_*.deb 2>/dev/null) || refuse "$folder holds no bluez_...${mark}_....deb: build it first"
    apt-mark unhold bluez >/dev/null
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends --reinstall "$package"
    apt-mark hold bluez
    [ ! -d /run/systemd/system ] || systemctl try-restart bluetooth
    say "$(dpkg-query -W -f '${Version}' bluez) is installed and held. Debian's security updates of bluez no longer come by" \
        "themselves: after one, build and install again. Back to Debian's own: apt-mark unhold bluez, apt-get install" \
        "--reinstall --allow-downgrades bluez/$VERSION_CODENAME"
}

case $what in
    build | install) $what ;;
    *) usage ;;
esac
