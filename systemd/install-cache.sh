#!/bin/sh
# Gives the machine of a site's bridge a cache of updates (docs/updates.md, "A cache for a site"). It removes it again.
#
# Laws:
# 1. It needs an installation (install.sh) with the extra `update`: the cache runs from there. It makes no slots.
# 2. Nothing starts the cache but who enables its timer.
# 3. It never overwrites or removes a file of the administrator (/etc), or what the cache holds.
# 4. With DESTDIR it touches nothing outside DESTDIR.
#
# usage: [DESTDIR=DIR] [PREFIX=/opt/hubd] install-cache.sh install | uninstall | names
#        names: of the files beside this script that it lays, for who packs them (packaging/deb)
set -eu
umask 022

here=$(cd "$(dirname "$0")" && pwd)
prefix=${PREFIX:-/opt/hubd}
dest=${DESTDIR:+$(realpath -m -- "$DESTDIR")}
dest=${dest%/}

files="hubupdate-mirror.sysusers:/usr/lib/sysusers.d/hubupdate-mirror.conf
hubupdate-mirror.service:/usr/lib/systemd/system/hubupdate-mirror.service
hubupdate-mirror.timer:/usr/lib/systemd/system/hubupdate-mirror.timer"

if [ "${1:-}" = names ]; then
    for file in $files; do
        printf '%s\n' "${file%%:*}"
    done
    exit
fi
say() { printf 'hubd: %s\n' "$*"; }
refuse() {
    say "$*" >&2
    exit 1
}
case $prefix in
    *[!A-Za-z0-9/._+-]* | */../* | */./* | *//* | */.. | */. | */) refuse "PREFIX=$prefix: expected a plain path" ;;
    /*) ;;
    *) refuse "PREFIX=$prefix: expected an absolute path such as /opt/hubd" ;;
esac
[ -n "$dest" ] || [ "$(id -u)" = 0 ] || refuse "installing on this machine needs root; DESTDIR=DIR makes an image"
# A link that leads out of an image would make us change the machine.
for file in $files x:/etc/hubupdate/x; do
    folder=$dest$(dirname "${file#*:}")
    case $(realpath -m -- "$folder")/ in
        "$dest"/*) ;;
        *) refuse "$folder leads out of $dest by a link: make it a relative one" ;;
    esac
done
runs() { [ -z "$dest" ] && [ -d /run/systemd/system ]; }

put() {
    mkdir -p "$(dirname "$2")"
    new=$(mktemp "$2.XXXXXX")
    sed "s|/opt/hubd/|$prefix/|g" "$here/$1" >"$new"
    chmod 644 "$new"
    mv -fT "$new" "$2"
}

case ${1:-} in
    install)
        python=$dest$prefix/bin/python
        [ -x "$python" ] || refuse "there is no installation in $dest$prefix: make install EXTRAS=update"
        [ -n "$dest" ] || "$python" -P -c 'import tuf' 2>/dev/null ||
            refuse "the installation in $prefix lacks the extra: make install EXTRAS=update"
        for file in $files; do
            put "${file%%:*}" "$dest${file#*:}"
        done
        mkdir -p "$dest/etc/hubupdate"
        config=$dest/etc/hubupdate/mirror.toml
        [ -e "$config" ] || [ -L "$config" ] || install -m 644 "$here/../config/mirror.toml" "$config"
        [ -n "$dest" ] || systemd-sysusers hubupdate-mirror.conf
        ! runs || systemctl daemon-reload
        say "left to do: images.root.json and director.root.json to /etc/hubupdate, edit mirror.toml there. Then:"
        say "  $prefix/bin/python -P -m hubupdate.mirror --check-config && systemctl enable --now hubupdate-mirror.timer"
        ;;
    uninstall)
        ! runs || systemctl disable --now hubupdate-mirror.timer 2>/dev/null || true
        ! runs || systemctl stop hubupdate-mirror.service 2>/dev/null || true
        for file in $files; do
            rm -f "$dest${file#*:}"
        done
        ! runs || systemctl daemon-reload
        say "the cache of updates is taken away. /etc/hubupdate and /var/lib/hubupdate-mirror are left."
        ;;
    *) refuse "usage: install-cache.sh install | uninstall | names" ;;
esac
