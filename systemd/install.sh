#!/bin/sh
# Installs hubd on this hub, or below DESTDIR into an image, and removes it again.
#
# Laws:
# 1. It never overwrites or removes a file of the administrator (/etc), a record or a key.
# 2. With DESTDIR it touches nothing outside DESTDIR, and nothing inside says where DESTDIR was.
# 3. An installation that breaks off leaves the old one whole.
# 4. A running hub never gets a version that does not start with its configuration and keys.
# 5. After an installation, a running hub runs the new version, unless RESTART=no.
#
# usage: [DESTDIR=DIR] [PREFIX=/opt/hubd] [PYTHON=python3] [RESTART=no] [EXTRAS=zwave,osdp] [LOCKED=yes]
#        install.sh [install|files|packaged|uninstall]
#        EXTRAS: libraries of kinds that not every hub has; an update keeps those of the installation before
#        LOCKED=yes: the very versions of packaging/locked, each proven by its hash; the same bytes each time
#        files: everything but the Python environment, which something else puts in place
#        packaged: what the Debian package has not done by laying its files (packaging/deb)
#        RESTART=no: the administrator restarts a running hub
set -eu
umask 022

here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-python3}
prefix=${PREFIX:-/opt/hubd}
dest=${DESTDIR:+$(realpath -m -- "$DESTDIR")}
dest=${dest%/}

case ${EXTRAS:-} in *[!a-z,]*) echo "hubd: EXTRAS=$EXTRAS: expected names such as zwave,osdp" >&2 && exit 1 ;; esac

# The system's files: the name beside this script, and the place.
files="hubd.sysusers:/usr/lib/sysusers.d/hubd.conf
hubd.tmpfiles:/usr/lib/tmpfiles.d/hubd.conf
70-hubd.rules:/usr/lib/udev/rules.d/70-hubd.rules
bluez-main.conf:/usr/lib/hubd/bluez-main.conf
sealed-keys.conf:/usr/lib/hubd/sealed-keys.conf
time-service.conf:/usr/lib/hubd/time-service.conf
readers.conf:/usr/lib/hubd/readers.conf
bluetooth-hubd.conf:/usr/lib/systemd/system/bluetooth.service.d/hubd.conf
hubd-bluez.path:/usr/lib/systemd/system/hubd-bluez.path
hubd-bluez.service:/usr/lib/systemd/system/hubd-bluez.service
hubd-metrics.service:/usr/lib/systemd/system/hubd-metrics.service
hubd-metrics.timer:/usr/lib/systemd/system/hubd-metrics.timer
hubbridge.sysusers:/usr/lib/sysusers.d/hubbridge.conf
hubbridge.service:/usr/lib/systemd/system/hubbridge.service
hubctl.bash:/usr/share/bash-completion/completions/hubctl
hubctl.zsh:/usr/share/zsh/vendor-completions/_hubctl
hubctl.fish:/usr/share/fish/vendor_completions.d/hubctl.fish
hubd.service:/usr/lib/systemd/system/hubd.service"

# The manual's pages, which the installed program writes by itself.
pages="man1/hubctl.1 man8/hubd.8 man5/hubd.toml.5"
manual=/usr/share/man

say() { printf 'hubd: %s\n' "$*"; }
refuse() {
    say "$*" >&2
    exit 1
}

case $prefix in
    */../* | */./* | *//* | */.. | */. | */) refuse "PREFIX=$prefix: expected a path without . and .. and empty parts" ;;
    /*) ;;
    *) refuse "PREFIX=$prefix: expected an absolute path such as /opt/hubd" ;;
esac
case $dest$prefix in *[!A-Za-z0-9/._+-]*) refuse "$dest$prefix: expected a path of letters, digits and ._+- only" ;; esac
[ -n "$dest" ] || [ "$(id -u)" = 0 ] || refuse "installing on this machine needs root; DESTDIR=DIR makes an image"

# Check this before making anything: without systemd nobody starts the hub.
needs_systemd() {
    [ -z "$dest" ] || return 0
    for tool in systemctl systemd-sysusers systemd-tmpfiles; do
        command -v "$tool" >/dev/null || refuse "this machine has no systemd, which hubd needs; DESTDIR=DIR makes an image"
    done
}

# This machine follows the links in an image. A link that leads out of the image would make us change the machine.
stay_inside() {
    for file in $files x:/etc/hubd/hubd.toml x:/etc/hubbridge/hubbridge.toml x:/usr/bin/hubctl "x:$prefix" x:$manual/man1/x x:$manual/man5/x x:$manual/man8/x; do
        folder=$dest$(dirname "${file#*:}")
        case $(realpath -m -- "$folder")/ in
            "$dest"/*) ;;
            *) refuse "$folder leads out of $dest by a link: make it a relative one" ;;
        esac
    done
}

changed=""
put_files() {
    for file in $files; do
        place=$dest${file#*:}
        mkdir -p "$(dirname "$place")"
        made=$(mktemp "$place.XXXXXX")
        sed "s|/opt/hubd/|$prefix/|g" "$here/${file%%:*}" >"$made"
        chmod 644 "$made"
        cmp -s "$made" "$place" || changed="$changed ${file%%:*}"
        mv -fT "$made" "$place"
    done
    made=""
    put_config
    mkdir -p "$dest/usr/bin"
    ln -sfn "$prefix/bin/hubctl" "$dest/usr/bin/hubctl"
}

put_config() {
    for name in hubd hubbridge; do
        mkdir -p "$dest/etc/$name"
        config=$dest/etc/$name/$name.toml
        [ -e "$config" ] || [ -L "$config" ] || install -m 644 "$here/../config/$name.toml" "$config"
    done
}

# A hub without its manual opens doors all the same.
put_pages() {
    work=$(mktemp -d)
    if "$dest$prefix/bin/python" -P -m hubctl.manual.pages "$work" "$here/../config/hubd.toml"; then
        for page in $pages; do
            mkdir -p "$dest$manual/${page%/*}"
            made=$(mktemp "$dest$manual/$page.XXXXXX")
            cp "$work/$page" "$made"
            chmod 644 "$made"
            mv -fT "$made" "$dest$manual/$page"
        done
    else
        say "the manual's pages were not made" >&2
    fi
    clear_up
    work="" made=""
}

in_git() { git -c safe.directory='*' --no-optional-locks -C "$here/.." "$@" 2>/dev/null; }

# The commit of this tree: from its own repository (not from one around it), or as `git archive` wrote it here.
commit() {
    if [ -e "$here/../.git" ] && id=$(in_git rev-parse --short=12 HEAD); then
        edited=$(in_git status --porcelain -- hubcore drivers hubd hubctl hubbridge hubgateway hublocal hubsite hubterm hubtls hubupdate setup.cfg pyproject.toml systemd config)
        printf 'g%s%s' "$id" "${edited:+.edited}"
        return
    fi
    archived=$(cut -c 1-12 "$here/commit")
    case $archived in
        *[!0-9a-f]*) printf 'unknown' ;;
        *) printf 'g%s' "$archived" ;;
    esac
}

# The version that a package states; nothing if it states none.
version_of() { sed -n 's/^__version__ = "\(.*\)"$/\1/p' "$1/hubcore/version.py" 2>/dev/null || true; }

# Only what put_environment made may be replaced or removed.
is_ours() { [ ! -L "$1" ] && [ -f "$1/pyvenv.cfg" ] && [ -f "$1/bin/hubd" ]; }

work="" made="" old=""
# However the script ends: put the old environment back if there is no new one, and remove what is left over.
clear_up() {
    if [ -n "$old" ] && [ ! -e "$place" ] && ! mv -T "$old" "$place"; then
        say "the installation broke off; the environment that was $place is $old now" >&2
        old=""
    fi
    rm -rf --one-file-system ${work:+"$work"} ${made:+"$made"} ${old:+"$old"}
}
trap clear_up EXIT
trap 'exit 1' HUP INT TERM

# Install hubd and its libraries into $made, by their ranges in setup.cfg.
fill_by_ranges() {
    "$here/../.ci/pip" "$work/pip/bin/python" --python "$made/bin/python" install -q --no-compile "$work/hubd${extras:+[$extras]}"
}

# The same by the lock files. Everything that goes in has a hash: also hubd, which is built here, by a locked setuptools.
fill_by_locks() {
    locked=$here/../packaging/locked
    "$here/../.ci/pip" "$work/pip/bin/python" install -q --require-hashes -r "$locked/build.txt"
    "$here/../.ci/pip" "$work/pip/bin/python" wheel -q --no-deps --no-index --no-build-isolation -w "$work" "$work/hubd"
    for wheel in "$work"/*.whl; do
        printf 'file://%s --hash=sha256:%s\n' "$wheel" "$(sha256sum <"$wheel" | cut -d ' ' -f 1)"
    done >"$work/own.txt"
    set -- -r "$locked/base.txt" -r "$work/own.txt"
    for extra in $(printf '%s' "$extras" | tr , ' '); do
        [ -f "$locked/$extra.txt" ] || refuse "EXTRAS=$extras: there is no packaging/locked/$extra.txt"
        set -- "$@" -r "$locked/$extra.txt"
    done
    "$here/../.ci/pip" "$work/pip/bin/python" --python "$made/bin/python" install -q --no-compile --require-hashes "$@"
    # The list of files must not name this folder's passing name, nor what is removed below.
    for list in "$made"/lib/python3*/site-packages/*.dist-info/RECORD; do
        [ -f "$list" ] || continue
        sed -i '/^\.\.\/\.\.\/\.\.\/bin\//d; /\/direct_url\.json,/d' "$list"
    done
}

# Make an environment in $made, from this tree.
make_environment() {
    "$here/../.ci/prerequisites" "$python"
    home=$("$python" -c 'import os, sys; print(os.path.realpath(sys.base_prefix))')
    case $home in
        /home/* | /root/*) refuse "$python lies in $home, where hubd.service may not look: name another, PYTHON=/usr/bin/python3" ;;
    esac
    say "making $place"
    # Install from a copy: so nothing that an earlier build left in the tree is installed, and the tree stays as it is.
    mkdir "$work/hubd"
    (cd "$here/.." && cp -R hubcore drivers hubd hubctl hubbridge hubgateway hublocal hubsite hubterm hubtls hubupdate setup.cfg pyproject.toml README.md "$work/hubd")
    sed -i "s/^\(__version__ = \".*\)+clone\"$/\1+$(commit)\"/" "$work/hubd/hubcore/version.py"
    "$python" -m venv "$work/pip"
    "$python" -m venv --without-pip "$made"
    extras=${EXTRAS:-$(cat "$place/extras" 2>/dev/null || true)}
    [ -z "$extras" ] || printf '%s\n' "$extras" >"$made/extras"
    if [ "${LOCKED:-no}" = yes ]; then
        fill_by_locks
        compiled=unchecked-hash # no times in it
    else
        fill_by_ranges
        compiled=timestamp
    fi
    rm -f "$made"/lib/python*/site-packages/hubd_access_hub-*.dist-info/direct_url.json
    find "$made/bin" -mindepth 1 ! -name 'python*' ! -name hubd ! -name hubctl ! -name hubbridge -delete
    sed -i "s|$made|$prefix|g" "$made/pyvenv.cfg" "$made/bin/hubd" "$made/bin/hubctl" "$made/bin/hubbridge"
    "$made/bin/python" -m compileall -q --invalidation-mode "$compiled" -s "$made" -p "$prefix" "$made/lib"
}

# Copy the environment that the package brought into $made; by links where they lie on one file system.
copy_environment() {
    ready=$here/../environment
    "$ready/bin/python" -P -c 'import hubcore.version' ||
        refuse "the package was made for another Python than this machine's: take the package for this Debian"
    cp -al "$ready/." "$made" 2>/dev/null || cp -a "$ready/." "$made"
}

# Make the environment beside its place, with the names that it will have there. Then move it there.
# usage: put_environment make_environment|copy_environment
put_environment() {
    place=$dest$prefix
    if [ -e "$place" ] || [ -L "$place" ]; then
        is_ours "$place" || refuse "$place is there and is no environment of hubd: name another PREFIX, or move it away"
    fi
    mkdir -p "$(dirname "$place")"
    work=$(mktemp -d)
    made=$(mktemp -d "$place.XXXXXX")
    chmod 755 "$made"
    "$1"
    version=$(version_of "$made"/lib/python3*/site-packages)
    [ "$before" != active ] || suits_this_hub
    if [ -e "$place" ]; then
        old=$(mktemp -d "$place.XXXXXX")
        mv -T "$place" "$old"
    fi
    mv -T "$made" "$place"
    clear_up
    work="" made="" old=""
}

# The unit's state before anything changes: active, activating (a start that fails again and again), or another.
state_of_hubd() {
    if [ -n "$dest" ]; then echo an-image; else systemctl is-active hubd 2>/dev/null || true; fi
}

# Ask the new version before it replaces the old one. If it would not start, the doors go on with the old one.
# Status 69 is a fault that does not stop a start: a radio that is unplugged, a pin in use, little room, a certificate that
# has ended. The old version has the same fault. So say it, and update the hub all the same.
suits_this_hub() {
    status=0
    said=$("$made/bin/python" -P -m hubd --check-config 2>&1) || status=$?
    goes_on="Nothing was changed, and the hub goes on. Mend what it says and type the same again; or take the hub off first:"
    case $status in
        0) return ;;
        69)
            printf '%s\n' "$said" >&2
            say "the new version starts, but not all is right with this hub (above): it goes in all the same" >&2
            return
            ;;
        78) why="the new version does not start with this hub's configuration or keys (above)." ;;
        *) why="whether the new version starts cannot be told: its --check-config ended with status $status (above)." ;;
    esac
    printf '%s\n' "$said" >&2
    refuse "$why $goes_on systemctl stop hubd"
}

activate() {
    systemd-sysusers hubd.conf hubbridge.conf
    systemd-tmpfiles --create hubd.conf
    if [ -d /run/systemd/system ]; then
        systemctl daemon-reload
    fi
    if [ -S /run/udev/control ]; then
        udevadm control --reload
        udevadm trigger --action=change --subsystem-match=gpio --subsystem-match=tty
    fi
}

# Make the hub run what was installed, and say what it runs.
take_effect() {
    case $before in
        active | activating)
            if [ "${RESTART:-yes}" = no ]; then
                say "$version is installed; ${was:-the old version} still runs, over files that are no longer its own. As soon as" \
                    "phones can wait for some 3 s: systemctl restart hubd"
                return
            fi
            say "restarting the hub: for some 3 s phones are not answered, and no strike is driven"
            case $changed in *blue*) systemctl try-restart bluetooth || say "bluetooth did not start: systemctl status bluetooth" >&2 ;; esac
            systemctl restart hubd || refuse "$version is installed, but does not start: journalctl -u hubd"
            say "$version is in force${was:+, in place of $was}. Look: hubctl status"
            ;;
        *)
            for key in "$dest/etc/credstore/hubd.identity" "$dest/etc/credstore.encrypted/hubd.identity"; do
                [ -e "$key" ] || continue
                say "$version is installed in $dest$prefix. No hub runs it yet. To start it:"
                say "  $prefix/bin/hubd --check-config"
                say "  systemctl restart bluetooth && systemctl enable hubd && systemctl restart hubd"
                return
            done
            left_to_do
            ;;
    esac
}

# A bridge that runs here gets the new version, too. No door waits for it: its hubs go on alone, and come back.
take_effect_on_bridge() {
    [ -z "$dest" ] && [ "${RESTART:-yes}" != no ] && [ -d /run/systemd/system ] || return 0
    case $(systemctl is-active hubbridge 2>/dev/null || true) in
        active | activating) ;;
        *) return 0 ;;
    esac
    said=$("$prefix/bin/python" -P -m hubbridge --check-config 2>&1) || {
        printf '%s\n' "$said" >&2
        say "the new version does not start with this bridge's configuration (above): the old one still runs" >&2
        return 0
    }
    systemctl restart hubbridge || say "the bridge does not start: journalctl -u hubbridge" >&2
}

left_to_do() {
    cat <<T
hubd: $version is installed in $dest$prefix. Left to do on the hub:
  1. hubctl enroll HOST:PORT --strike POINT=CHIP:LINE, with the token of the backend's operator (docs/hub.md, "Keys")
  2. look at /etc/hubd/hubd.toml. Without a backend: put the keys into /etc/credstore, for root alone, and edit that file
  3. $prefix/bin/hubd --check-config
  4. systemctl restart bluetooth && systemctl enable hubd && systemctl restart hubd
A machine that is to be a bridge of its site: docs/bridge.md, "Running one".
T
}

take_away() {
    if [ -z "$dest" ] && [ -d /run/systemd/system ]; then
        systemctl disable --now hubd-metrics.timer 2>/dev/null || true
        systemctl disable --now hubd 2>/dev/null || true
        systemctl disable --now hubbridge 2>/dev/null || true
    fi
    for file in $files; do
        rm -f "$dest${file#*:}"
    done
    for page in $pages; do
        rm -f "$dest$manual/$page"
    done
    rmdir "$dest/usr/lib/hubd" "$dest/usr/lib/systemd/system/bluetooth.service.d" 2>/dev/null || true
    [ "$(readlink "$dest/usr/bin/hubctl")" != "$prefix/bin/hubctl" ] || rm -f "$dest/usr/bin/hubctl"
    if is_ours "$dest$prefix"; then
        rm -rf --one-file-system "$dest$prefix"
    fi
    if [ -z "$dest" ] && [ -d /run/systemd/system ]; then
        systemctl daemon-reload
        systemctl try-restart bluetooth || say "bluetooth did not start again: systemctl status bluetooth" >&2
    fi
    if [ -z "$dest" ] && [ -S /run/udev/control ]; then
        udevadm control --reload
    fi
    say "taken away. /etc/hubd, /etc/credstore* and /var/lib/hubd (the records) are left, and so is the user hubd;" \
        "of a bridge /etc/hubbridge, /var/lib/hubbridge and the user hubbridge."
}

stay_inside
case ${1:-install} in
    install)
        needs_systemd
        before=$(state_of_hubd)
        was=$(version_of "$dest$prefix"/lib/python3*/site-packages)
        put_environment make_environment
        put_files
        put_pages
        [ -n "$dest" ] || activate
        take_effect
        take_effect_on_bridge
        ;;
    files) put_files ;;
    packaged)
        needs_systemd
        before=$(state_of_hubd)
        was=$(version_of "$prefix"/lib/python3*/site-packages)
        changed=${CHANGED:-}
        put_environment copy_environment
        put_config
        activate
        take_effect
        take_effect_on_bridge
        ;;
    uninstall) take_away ;;
    *) refuse "usage: install.sh [install|files|packaged|uninstall]" ;;
esac
