#!/bin/sh
# Installs all parts of a site on this machine, or their files below DESTDIR into an image, and removes them again (docs/site.md):
# the server, and engine, gateway and signer, which it stands behind. `hubsite setup` then makes their files and starts them.
#
# Laws:
# 1. It never overwrites or removes a file of the administrator (/etc), a key or the database.
# 2. With DESTDIR it touches nothing outside DESTDIR.
# 3. An installation that breaks off leaves the old environment whole.
# 4. What a run that was killed has left beside the environment goes at the next. It is known by a mark, with a process that is no more.
# 5. It starts nothing and restarts nothing: it says what to type.
#
# usage: [DESTDIR=DIR] [SITE_PREFIX=/opt/hubsite] [PYTHON=python3] [EXTRAS=postgresql] install-site.sh install | files | uninstall
#        EXTRAS: libraries beside those of the server, such as postgresql or token; an update keeps those of before
#        files: everything but the Python environment
set -eu
umask 022

here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-python3}
prefix=${SITE_PREFIX:-/opt/hubsite}
dest=${DESTDIR:+$(realpath -m -- "$DESTDIR")}
dest=${dest%/}
place=$dest$prefix

typed="hubsite hubissuer"
programs="hubsite hubissuer hubgateway hubengine"
files="hubissuer.sysusers:/usr/lib/sysusers.d/hubissuer.conf
hubgateway-engine.service:/usr/lib/systemd/system/hubgateway-engine.service
hubgateway.service:/usr/lib/systemd/system/hubgateway.service
hubissuer.service:/usr/lib/systemd/system/hubissuer.service
hubsite.sysusers:/usr/lib/sysusers.d/hubsite.conf
hubsite.tmpfiles:/usr/lib/tmpfiles.d/hubsite.conf
hubsite.service:/usr/lib/systemd/system/hubsite.service
hubsite-backup.service:/usr/lib/systemd/system/hubsite-backup.service
hubsite-backup.timer:/usr/lib/systemd/system/hubsite-backup.timer"

say() { printf 'hubsite: %s\n' "$*"; }
refuse() {
    say "$*" >&2
    exit 1
}
case ${EXTRAS:-} in *[!a-z,]*) refuse "EXTRAS=$EXTRAS: expected names such as postgresql,token" ;; esac
case $prefix in
    *[!A-Za-z0-9/._+-]* | */../* | */./* | *//* | */.. | */. | */) refuse "SITE_PREFIX=$prefix: expected a plain path" ;;
    /*) ;;
    *) refuse "SITE_PREFIX=$prefix: expected an absolute path such as /opt/hubsite" ;;
esac
[ -n "$dest" ] || [ "$(id -u)" = 0 ] || refuse "installing on this machine needs root; DESTDIR=DIR makes an image"
# A link that leads out of an image would make us change the machine.
for file in $files "x:$prefix" x:/usr/bin/hubsite x:/usr/bin/hubissuer; do
    folder=$dest$(dirname "${file#*:}")
    case $(realpath -m -- "$folder")/ in
        "$dest"/*) ;;
        *) refuse "$folder leads out of $dest by a link: make it a relative one" ;;
    esac
done
runs() { [ -z "$dest" ] && [ -d /run/systemd/system ]; }

# Only what put_environment made may be replaced or removed.
is_ours() { [ ! -L "$1" ] && [ -f "$1/pyvenv.cfg" ] && [ -f "$1/bin/hubsite" ]; }

mark=.install-site
marked() {
    folder=$(mktemp -d "$place.XXXXXX")
    printf '%s\n' "$$" >"$folder/$mark"
    printf '%s\n' "$folder"
}

# Take away what was left; an old environment that was on its way goes back first (law 4).
take_leftovers() {
    for left in "$place".??????; do
        [ ! -L "$left" ] && [ -f "$left/$mark" ] || continue
        ! kill -0 "$(cat "$left/$mark")" 2>/dev/null || continue
        if is_ours "$left/environment" && [ ! -e "$place" ]; then
            mv -T "$left/environment" "$place"
        fi
        rm -rf --one-file-system "$left"
    done
}

work="" made="" old=""
# However the script ends: put the old environment back if there is no new one, and remove what is left over.
clear_up() {
    if [ -n "$old" ] && [ -e "$old/environment" ] && [ ! -e "$place" ]; then
        mv -T "$old/environment" "$place"
    fi
    rm -rf --one-file-system ${work:+"$work"} ${made:+"$made"} ${old:+"$old"}
    work="" made="" old=""
}
trap clear_up EXIT
trap 'exit 1' HUP INT TERM

put_files() {
    for file in $files; do
        laid=$dest${file#*:}
        mkdir -p "$(dirname "$laid")"
        made=$(mktemp "$laid.XXXXXX")
        # All parts are in one environment, which brings the engine, too.
        sed "s|/opt/hubsite/|$prefix/|g; s|/opt/hubgateway/|$prefix/|g; s| nats-server | $prefix/bin/nats-server |" \
            "$here/${file%%:*}" >"$made"
        chmod 644 "$made"
        mv -fT "$made" "$laid"
    done
    made=""
    mkdir -p "$dest/usr/bin"
    for name in $typed; do
        ln -sfn "$prefix/bin/$name" "$dest/usr/bin/$name"
    done
}

# Libraries that were typed, else those of before. An unknown one is refused: pip would pass it over, and it would be kept.
choose_extras() {
    extras=${EXTRAS:-$(cat "$place/extras" 2>/dev/null || true)}
    known=$(sed -n '/^\[options.extras_require\]$/,/^\[/s/^\([a-z_]*\) =$/\1/p' "$here/../setup.cfg")
    for extra in $(printf '%s' "$extras" | tr , ' '); do
        printf '%s\n' "$known" | grep -qx -- "$extra" ||
            refuse "EXTRAS=$extra: there is none of that name (a site may want postgresql or token); nothing is changed"
    done
}

# Make the environment in $made from a copy of this tree. Its programs have the names that they will have in place.
make_environment() {
    mkdir "$work/tree"
    (cd "$here/.." && cp -R hubcore drivers hubd hubctl hubbridge hubgateway hublocal hubsite hubterm hubtls hubupdate setup.cfg pyproject.toml README.md "$work/tree")
    id=$(git -c safe.directory='*' -C "$here/.." rev-parse --short=12 HEAD 2>/dev/null || true)
    sed -i "s/^\(__version__ = \".*\)+clone\"$/\1+${id:+g}${id:-unknown}\"/" "$work/tree/hubcore/version.py"
    "$python" -m venv "$made"
    [ -z "$extras" ] || printf '%s\n' "$extras" >"$made/extras"
    "$here/../.ci/pip" "$made/bin/python" install -q --no-compile "$work/tree[site,engine${extras:+,$extras}]"
    kept="-name python* -o -name nats-server"
    for name in $programs; do
        kept="$kept -o -name $name"
        sed -i "s|$made|$prefix|g" "$made/bin/$name"
    done
    # shellcheck disable=SC2086 # words of find, and no pattern of this folder
    (set -f && find "$made/bin" -mindepth 1 ! \( $kept \) -delete)
    sed -i "s|$made|$prefix|g" "$made/pyvenv.cfg"
    "$made/bin/python" -m compileall -q -s "$made" -p "$prefix" "$made/lib"
}

put_environment() {
    take_leftovers
    if [ -e "$place" ] || [ -L "$place" ]; then
        is_ours "$place" || refuse "$place is there and is no environment of hubsite: name another SITE_PREFIX, or move it away"
    fi
    choose_extras
    "$here/../.ci/prerequisites" "$python"
    mkdir -p "$(dirname "$place")"
    work=$(mktemp -d)
    made=$(marked)
    chmod 755 "$made"
    say "making $place: 1 to 3 minutes"
    make_environment
    if [ -e "$place" ]; then
        old=$(marked)
        mv -T "$place" "$old/environment"
    fi
    rm -f "$made/$mark"
    mv -T "$made" "$place"
    clear_up
}

activate() {
    systemd-sysusers hubsite.conf hubissuer.conf
    systemd-tmpfiles --create hubsite.conf
    ! runs || systemctl daemon-reload
}

left_to_do() {
    say "$("$place/bin/hubsite" --version) is installed in $prefix."
    if [ -e /etc/hubsite/hubsite.toml ]; then
        # Typed again it gives the accounts at the engine what this version needs; a server alone has no engine here.
        [ ! -e /etc/hubgateway/nats.conf ] || say "Left to do: hubsite setup"
        say "Left to do: systemctl try-restart hubgateway-engine hubgateway hubissuer hubsite"
        return
    fi
    cat <<T
hubsite: Left to do, for a whole site on this machine:
  hubsite setup --site NAME --host NAME --operator NAME
  (--trial makes a certificate that no browser believes; else it says where yours belongs. For the server alone: docs/site.md)
T
}

case ${1:-} in
    install)
        for tool in systemd-sysusers systemd-tmpfiles; do
            [ -n "$dest" ] || command -v "$tool" >/dev/null || refuse "this machine has no systemd; DESTDIR=DIR makes an image"
        done
        put_environment
        put_files
        [ -n "$dest" ] || activate
        [ -n "$dest" ] || left_to_do
        ;;
    files) put_files ;;
    uninstall)
        ! runs || systemctl disable --now hubsite-backup.timer hubsite.service hubissuer.service hubgateway.service \
            hubgateway-engine.service 2>/dev/null || true
        for file in $files; do
            rm -f "$dest${file#*:}"
        done
        for name in $typed; do
            [ "$(readlink "$dest/usr/bin/$name")" != "$prefix/bin/$name" ] || rm -f "$dest/usr/bin/$name"
        done
        ! is_ours "$place" || rm -rf --one-file-system "$place"
        ! runs || systemctl daemon-reload
        say "all parts are taken away. What is left: /etc/hubsite, /etc/hubgateway, /etc/hubissuer, the keys in /etc/credstore," \
            "/var/lib/hubsite (the database), /var/lib/hubissuer, /var/lib/nats (the records), and the users."
        ;;
    *) refuse "usage: install-site.sh install | files | uninstall" ;;
esac
