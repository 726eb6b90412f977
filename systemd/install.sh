#!/bin/sh
# Installs hubd on this hub, or below DESTDIR into an image, and takes it away again.
#
# Laws: a file of the administrator (/etc) is never overwritten or removed, nor are records and keys; with DESTDIR nothing
# outside it is touched, and nothing in it says where it was; an installation that breaks off leaves the old one whole.
# usage: [DESTDIR=DIR] [PREFIX=/opt/hubd] [PYTHON=python3] install.sh [install|files|uninstall]
#        files: everything but the Python environment, which is put in place in another way
set -eu
umask 022

here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-python3}
prefix=${PREFIX:-/opt/hubd}
dest=${DESTDIR:-}
case $dest in
    "" | /*) dest=${dest%/} ;;
    *) dest=$PWD/${dest%/} ;;
esac

say() { printf 'hubd: %s\n' "$*"; }
refuse() {
    say "$*" >&2
    exit 1
}

case $prefix in /*[!/]) ;; *) refuse "PREFIX=$prefix: expected an absolute path such as /opt/hubd" ;; esac
case $dest$prefix in *[!A-Za-z0-9/._+-]*) refuse "$dest$prefix: expected a path of letters, digits and ._+- only" ;; esac
[ -n "$dest" ] || [ "$(id -u)" = 0 ] || refuse "installing on this machine needs root; DESTDIR=DIR makes an image"

# What belongs to the system: source, place, mode.
files() {
    cat <<T
$here/hubd.sysusers /usr/lib/sysusers.d/hubd.conf
$here/hubd.tmpfiles /usr/lib/tmpfiles.d/hubd.conf
$here/70-hubd.rules /usr/lib/udev/rules.d/70-hubd.rules
$here/bluez-main.conf /usr/lib/hubd/bluez-main.conf
$here/sealed-keys.conf /usr/lib/hubd/sealed-keys.conf
$here/bluetooth-hubd.conf /usr/lib/systemd/system/bluetooth.service.d/hubd.conf
$here/hubd.service /usr/lib/systemd/system/hubd.service
T
}

put_files() {
    files | while read -r source place; do
        mkdir -p "$dest$(dirname "$place")"
        sed "s|/opt/hubd/|$prefix/|g" "$source" >"$dest$place.new"
        chmod 644 "$dest$place.new"
        mv -f "$dest$place.new" "$dest$place"
    done
    mkdir -p "$dest/etc/hubd" "$dest/usr/bin"
    [ -e "$dest/etc/hubd/hubd.toml" ] || install -m 644 "$here/../config/hubd.toml" "$dest/etc/hubd/hubd.toml"
    ln -sfn "$prefix/bin/hubctl" "$dest/usr/bin/hubctl"
}

# The environment is made beside its place, with the names that it will have there, and then takes the place of the old.
put_environment() {
    place=$dest$prefix
    if [ -e "$place" ] && [ ! -f "$place/pyvenv.cfg" ]; then
        refuse "$place is there and is no environment of Python: name another PREFIX, or move it away"
    fi
    "$here/../.ci/prerequisites" "$python"
    home=$("$python" -c 'import os, sys; print(os.path.realpath(sys.base_prefix))')
    case $home in
        /home/* | /root/*) refuse "$python lies in $home, where hubd.service may not look: name another, PYTHON=/usr/bin/python3" ;;
    esac
    made=$place.new
    work=$(mktemp -d)
    trap 'rm -rf "$work" "$made"' EXIT
    rm -rf --one-file-system "$made"
    say "making $place"
    # From a copy: what an earlier build left in the tree is not installed, and the tree stays as it is.
    mkdir "$work/hubd"
    (cd "$here/.." && cp -R hubd drivers setup.cfg pyproject.toml README.md "$work/hubd")
    "$python" -m venv "$work/pip"
    "$python" -m venv --without-pip "$made"
    "$work/pip/bin/python" -m pip --python "$made/bin/python" install -q --no-compile --disable-pip-version-check \
        "$work/hubd"
    rm -f "$made"/lib/python*/site-packages/hubd-*.dist-info/direct_url.json
    find "$made/bin" -mindepth 1 ! -name 'python*' ! -name hubd ! -name hubctl -delete
    sed -i "s|$made|$prefix|g" "$made/pyvenv.cfg" "$made/bin/hubd" "$made/bin/hubctl"
    "$made/bin/python" -m compileall -q -s "$made" -p "$prefix" "$made/lib"
    rm -rf --one-file-system "$place.old"
    [ ! -e "$place" ] || mv "$place" "$place.old"
    mv "$made" "$place"
    rm -rf --one-file-system "$place.old"
}

activate() {
    systemd-sysusers hubd.conf
    systemd-tmpfiles --create hubd.conf
    if [ -d /run/systemd/system ]; then
        systemctl daemon-reload
    fi
    if [ -S /run/udev/control ]; then
        udevadm control --reload
        udevadm trigger --action=change --subsystem-match=gpio --subsystem-match=tty
    fi
}

left_to_do() {
    cat <<T
hubd: installed in $dest$prefix. Left to do on the hub:
  1. edit /etc/hubd/hubd.toml
  2. put the keys into /etc/credstore, for root alone (README.md, "On a hub")
  3. $prefix/bin/hubd --check-config
  4. systemctl restart bluetooth && systemctl enable hubd && systemctl restart hubd
T
}

take_away() {
    if [ -z "$dest" ] && [ -d /run/systemd/system ]; then
        systemctl disable --now hubd 2>/dev/null || true
    fi
    files | while read -r _ place; do
        rm -f "$dest$place"
    done
    rmdir "$dest/usr/lib/hubd" "$dest/usr/lib/systemd/system/bluetooth.service.d" 2>/dev/null || true
    [ "$(readlink "$dest/usr/bin/hubctl")" != "$prefix/bin/hubctl" ] || rm -f "$dest/usr/bin/hubctl"
    if [ -f "$dest$prefix/pyvenv.cfg" ]; then
        rm -rf --one-file-system "$dest$prefix"
    fi
    if [ -z "$dest" ] && [ -d /run/systemd/system ]; then
        systemctl daemon-reload
        systemctl try-restart bluetooth
    fi
    if [ -z "$dest" ] && [ -S /run/udev/control ]; then
        udevadm control --reload
    fi
    say "taken away. /etc/hubd, /etc/credstore* and /var/lib/hubd (the records) are left, and so is the user hubd."
}

case ${1:-install} in
    install)
        put_environment
        put_files
        [ -n "$dest" ] || activate
        left_to_do
        ;;
    files) put_files ;;
    uninstall) take_away ;;
    *) refuse "usage: install.sh [install|files|uninstall]" ;;
esac
