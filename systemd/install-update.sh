#!/bin/sh
# Gives a hub that runs two slots, and updates for them (docs/updates.md). It removes them again.
#
# Laws:
# 1. It needs an installed hub (install.sh) with the extra `update`: that stays, as the version to fall back on.
# 2. It never overwrites or removes a file of the administrator (/etc), a key, a record, or a slot that is there.
# 3. With DESTDIR it touches nothing outside DESTDIR, and makes no slot: the first start on the hub is the version installed.
# 4. Until the first image lies whole in slot A, hubd starts as before. After it was taken away, too.
#
# usage: [DESTDIR=DIR] [PREFIX=/opt/hubd] [RESTART=no] install-update.sh install [IMAGE VERSION] | uninstall | names
#        names: of the files beside this script that it lays, for who packs them (packaging/deb)
set -eu
umask 022

here=$(cd "$(dirname "$0")" && pwd)
prefix=${PREFIX:-/opt/hubd}
dest=${DESTDIR:+$(realpath -m -- "$DESTDIR")}
dest=${dest%/}

files="hubupdate.sysusers:/usr/lib/sysusers.d/hubupdate.conf
hubupdate.tmpfiles:/usr/lib/tmpfiles.d/hubupdate.conf
hubd-slot.sh:/usr/lib/hubd/hubd-slot.sh
hubd-mount.sh:/usr/lib/hubd/hubd-mount.sh
hubd-orders.sh:/usr/lib/hubd/hubd-orders.sh
hubd-orders.path:/usr/lib/systemd/system/hubd-orders.path
hubd-orders.service:/usr/lib/systemd/system/hubd-orders.service
hubd-selftest.service:/usr/lib/systemd/system/hubd-selftest.service
hubd-mount@.service:/usr/lib/systemd/system/hubd-mount@.service
hubupdate.service:/usr/lib/systemd/system/hubupdate.service
hubd-slots.conf:/usr/lib/systemd/system/hubd.service.d/slots.conf"
command=$dest/usr/bin/hubctl

if [ "${1:-}" = names ]; then
    for file in $files hubctl-slots.sh:; do
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
for file in $files x:/etc/hubupdate/x x:/usr/bin/x; do
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
    sed "s|/opt/hubd/|$prefix/|g; s|=/opt/hubd$|=$prefix|" "$here/$1" >"$new"
    chmod "${3:-644}" "$new"
    mv -fT "$new" "$2"
}

put_files() {
    [ -x "$dest$prefix/bin/python" ] || refuse "there is no hubd in $dest$prefix: make install EXTRAS=update"
    for file in $files; do
        put "${file%%:*}" "$dest${file#*:}"
    done
    put hubctl-slots.sh "$command" 755
    mkdir -p "$dest/etc/hubupdate"
    config=$dest/etc/hubupdate/hubupdate.toml
    [ -e "$config" ] || [ -L "$config" ] || install -m 644 "$here/../config/hubupdate.toml" "$config"
}

# Make slot A of an image. The user whose slots those are does it: no file there is root's.
first_slot() {
    [ $# = 2 ] || refuse "the first slot needs an image and its version: make install-update IMAGE=... VERSION=..."
    state=/var/lib/hubupdate
    if [ -e "$state/slots/state" ]; then
        say "the slots are there already, and stay as they are"
        return
    fi
    image=$(realpath -- "$1")
    if ! as_updates test -r "$image"; then # it lies in somebody's home
        work=$(mktemp -d /var/lib/hubupdate-first.XXXXXX)
        chmod 755 "$work"
        install -m 644 "$image" "$work/" || refuse "$image cannot be copied (above); hubd starts as before"
        image=$work/${image##*/}
    fi
    as_updates "$prefix/bin/python" -P -m hubupdate --first "$image" --first-version "$2" --state "$state" ||
        refuse "slot A was not made (above); hubd starts as before"
}

as_updates() { setpriv --reuid=hubupdate --regid=hubupdate --clear-groups "$@"; }
work=""
trap 'rm -rf --one-file-system ${work:+"$work"}' EXIT
trap 'exit 1' HUP INT TERM

take_away() {
    if runs; then
        systemctl disable --now hubupdate hubd-orders.path 2>/dev/null || true
    fi
    for file in $files; do
        rm -f "$dest${file#*:}"
    done
    rmdir "$dest/usr/lib/systemd/system/hubd.service.d" 2>/dev/null || true
    if [ -x "$dest$prefix/bin/hubctl" ]; then
        rm -f "$command"
        ln -sfn "$prefix/bin/hubctl" "$command"
    else
        rm -f "$command"
    fi
    ! runs || systemctl daemon-reload
    say "updates are taken away; from its next start on hubd is the version in $prefix. /etc/hubupdate and /var/lib/hubupdate are left."
}

case ${1:-} in
    install)
        shift
        put_files
        if [ -z "$dest" ]; then
            systemd-sysusers hubupdate.conf
            systemd-tmpfiles --create hubupdate.conf
            first_slot "$@"
        fi
        if runs; then
            systemctl daemon-reload
            systemctl enable --now hubd-orders.path
            if [ "${RESTART:-yes}" = no ]; then
                say "from its next start on hubd runs from its slot: systemctl restart hubd"
            else
                systemctl try-restart hubd || refuse "hubd does not start from its slot: journalctl -u hubd"
            fi
        fi
        say "left to do: images.root.json and director.root.json to /etc/hubupdate, edit hubupdate.toml there. Then:"
        say "  $prefix/bin/python -P -m hubupdate --check-config && systemctl enable --now hubupdate"
        ;;
    uninstall) take_away ;;
    *) refuse "usage: install-update.sh install [IMAGE VERSION] | uninstall | names" ;;
esac
