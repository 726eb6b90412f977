#!/bin/sh
# Does for hubupdate, which has no rights, the three things that take root's: it starts hubd again, lets the other slot test
# itself, and mounts the slot that is to take over. hubd-orders.path starts it when a file lies in ORDERS.
#
# Laws:
# 1. An order is a file's name: restart-, selftest- or mount-, and 16 hexadecimal digits. Nothing in the file is read.
# 2. An order is done once: its file goes first. What is no order goes, too, so that it calls nobody again.
# 3. The answer is a file of the same name in ANSWERS with the exit status, there whole or not at all. Older answers go.
# 4. The test has the credentials, the environment and the groups of hubd.service as that stands, drop-ins too.
#
# usage: hubd-orders.sh ORDERS ANSWERS [DROP_IN]
set -u

orders=$1
answers=$2
drop_in=${3:-/run/systemd/system/hubd-selftest.service.d/as-hubd.conf}

restart() { systemctl restart hubd.service; }

selftest() {
    mkdir -p "$(dirname "$drop_in")"
    {
        echo '[Service]'
        systemctl cat hubd.service |
            grep -E '^(LoadCredential|LoadCredentialEncrypted|SetCredential|Environment|SupplementaryGroups)='
    } >"$drop_in"
    systemctl daemon-reload
    run hubd-selftest.service
}

mount() { run hubd-mount@take.service; }

# Run a unit that ends by itself; end with its program's status.
run() {
    systemctl start "$1" && return 0
    status=$(systemctl show -P ExecMainStatus "$1")
    case $status in
        '' | 0 | *[!0-9]*) return 1 ;;
        *) return "$status" ;;
    esac
}

answer() {
    printf '%s\n' "$2" >"$answers/.new" && mv -T "$answers/.new" "$answers/$1"
}

is_order() {
    kind=${1%-*}
    number=${1##*-}
    case $kind in
        restart | selftest | mount) ;;
        *) return 1 ;;
    esac
    case $number in
        *[!0-9a-f]*) return 1 ;;
    esac
    [ ${#number} = 16 ] && [ "$1" = "$kind-$number" ]
}

umask 022
mkdir -p "$answers"
for path in "$orders"/* "$orders"/.[!.]* "$orders"/..?*; do
    [ -e "$path" ] || [ -L "$path" ] || continue
    name=${path##*/}
    rm -rf --one-file-system -- "$path"
    is_order "$name" || continue
    rm -f -- "$answers"/*
    status=0
    $kind || status=$?
    answer "$name" "$status"
done
