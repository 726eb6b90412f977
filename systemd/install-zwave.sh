#!/bin/sh
# Installs the Z-Wave service on this hub, or below DESTDIR into an image, and removes it again.
#
# Laws:
# 1. It never overwrites or removes a file of the administrator (/etc), the keys of a network, or what zwave-js knows of it.
# 2. With DESTDIR it touches nothing outside DESTDIR, and makes no keys: hubs of one image would share them.
# 3. An installation that breaks off leaves the old one whole.
# 4. A Node.js that is missing or too old is fetched with the modules (.ci/zwave-modules); nothing is made without one.
#
# usage: [DESTDIR=DIR] [ZWAVE_PREFIX=/opt/hubd-zwave] install-zwave.sh [install|uninstall]
set -eu
umask 022

here=$(cd "$(dirname "$0")" && pwd)
prefix=${ZWAVE_PREFIX:-/opt/hubd-zwave}
dest=${DESTDIR:+$(realpath -m -- "$DESTDIR")}
dest=${dest%/}
keys=$dest/etc/credstore/hubd.zwave_keys
unit=$dest/usr/lib/systemd/system/hubd-zwave.service
users=$dest/usr/lib/sysusers.d/hubd-zwave.conf
place=$dest$prefix

say() { printf 'hubd: %s\n' "$*"; }
refuse() {
    say "$*" >&2
    exit 1
}
case $prefix in
    *[!A-Za-z0-9/._+-]* | */../* | */./* | *//* | */.. | */. | */) refuse "ZWAVE_PREFIX=$prefix: expected a plain path" ;;
    /*) ;;
    *) refuse "ZWAVE_PREFIX=$prefix: expected an absolute path such as /opt/hubd-zwave" ;;
esac
[ -n "$dest" ] || [ "$(id -u)" = 0 ] || refuse "installing on this machine needs root; DESTDIR=DIR makes an image"
# A link that leads out of an image would make us change the machine.
for path in "$unit" "$users" "$place"; do
    case $(realpath -m -- "$(dirname "$path")")/ in
        "$dest"/*) ;;
        *) refuse "$(dirname "$path") leads out of $dest by a link: make it a relative one" ;;
    esac
done
# Only what this script made may be replaced or removed.
is_ours() { [ ! -L "$1" ] && [ -f "$1/service.cjs" ] && [ -d "$1/node_modules" ]; }
runs() { [ -z "$dest" ] && [ -d /run/systemd/system ]; }

made="" old=""
clear_up() {
    if [ -n "$old" ] && [ ! -e "$place" ] && ! mv -T "$old" "$place"; then
        say "the installation broke off; what was $place is $old now" >&2
        old=""
    fi
    rm -rf --one-file-system ${made:+"$made"} ${old:+"$old"}
}
trap clear_up EXIT
trap 'exit 1' HUP INT TERM

put_service() {
    if [ -e "$place" ] || [ -L "$place" ]; then
        is_ours "$place" || refuse "$place is there and is no Z-Wave service: name another ZWAVE_PREFIX, or move it away"
    fi
    fetched=$("$here/../.ci/zwave-modules")
    mkdir -p "$(dirname "$place")"
    made=$(mktemp -d "$place.XXXXXX")
    chmod 755 "$made"
    cp -R "$fetched/bin" "$fetched/node_modules" "$made"
    service=$here/../drivers/zwave_js/service
    install -m 644 "$service/service.cjs" "$service/package.json" "$service/package-lock.json" "$made"
    if [ -e "$place" ]; then
        old=$(mktemp -d "$place.XXXXXX")
        mv -T "$place" "$old"
    fi
    mv -T "$made" "$place"
    made=""
    clear_up
    old=""
}

put_file() {
    mkdir -p "$(dirname "$2")"
    new=$(mktemp "$2.XXXXXX")
    sed "s|/opt/hubd-zwave/|$prefix/|g" "$here/$1" >"$new"
    chmod 644 "$new"
    mv -fT "$new" "$2"
}

# Four different random keys for a new network; a network that exists keeps its own (docs/hub.md).
put_keys() {
    [ -z "$dest" ] || return 0
    [ ! -e "$keys" ] && [ ! -L "$keys" ] && [ ! -e "$dest/etc/credstore.encrypted/hubd.zwave_keys" ] || return 0
    mkdir -p -m 700 "$(dirname "$keys")"
    (
        umask 077
        "$place/bin/node" -e 'const key = () => require("crypto").randomBytes(16).toString("hex");
            const names = ["S0_Legacy", "S2_Unauthenticated", "S2_Authenticated", "S2_AccessControl"];
            console.log(JSON.stringify(Object.fromEntries(names.map((name) => [name, key()])), null, 1));' >"$keys.new"
    )
    mv -T "$keys.new" "$keys"
    say "new keys for a Z-Wave network are in $keys. Keep a copy in a safe: without them every device must be included again"
}

take_away() {
    ! runs || systemctl disable --now hubd-zwave 2>/dev/null || true
    rm -f "$unit" "$users"
    if is_ours "$place"; then
        rm -rf --one-file-system "$place"
    fi
    ! runs || systemctl daemon-reload
    say "the Z-Wave service is taken away. The keys, /var/lib/hubd-zwave and the user hubd-zwave are left."
}

case ${1:-install} in
    install)
        put_service
        put_file hubd-zwave.service "$unit"
        put_file hubd-zwave.sysusers "$users"
        put_keys
        if runs; then
            systemd-sysusers hubd-zwave.conf
            systemctl daemon-reload
            systemctl try-restart hubd-zwave
        fi
        say "the Z-Wave service is installed in $place. To start it with the stick at /dev/zwave:"
        say "  systemctl enable --now hubd-zwave && systemctl restart hubd"
        ;;
    uninstall) take_away ;;
    *) refuse "usage: install-zwave.sh [install|uninstall]" ;;
esac
