#!/bin/sh
# Says, before each start of hubd, which of its two slots is started: the rule `start` of hubcore/update/slots.py.
#
# Laws:
# 1. It needs no Python and nothing of either slot. So no new version can break the way back.
# 2. It writes the state first, then turns the link. Each is forced to the disk.
# 3. A state that cannot be read stays as it is, and the link too. A link that names no slot is turned to one that has an image.
# 4. It never keeps hubd from its start: whatever it cannot do, it says, and ends with 0.
#
# usage: hubd-slot.sh FOLDER      with `state`, the link `current`, A.squashfs and B.squashfs
set -u

starts_max=3
quarantine_max=32
bytes_max=8192
folder=$1
state=$folder/state
link=$folder/current

say() { printf 'hubd-slot: %s\n' "$*" >&2; }
give_up() { say "$*"; exit 0; }

# Let the link name slot $1. Nothing is done if it does already.
point() {
    [ "$(readlink "$link")" != "$1" ] || return 0
    fresh=$(mktemp -d "$folder/link.XXXXXX") && ln -s "$1" "$fresh/current" && mv -T "$fresh/current" "$link" ||
        say "the link cannot be turned to slot $1"
    rmdir "$fresh"
    sync "$folder"
}

# Print the state without its last line, if that proves the others.
proven() {
    [ -f "$state" ] && [ ! -L "$state" ] && [ "$(wc -c <"$state")" -le "$bytes_max" ] || return 1
    told=$(tail -n 1 "$state")
    [ "$told" = "sum $(head -n -1 "$state" | sha256sum | cut -d ' ' -f 1)" ] || return 1
    head -n -1 "$state"
}

field() { printf '%s\n' "$body" | sed -n "s/^$1 //p" | head -n 1; }

# Print the quarantine, with the image of this trial as its newest if it is to blame.
quarantine() {
    if [ "$blame" = yes ]; then
        { printf '%s\n' "$body" | grep '^bad ' | grep -vx "bad $digest"; echo "bad $digest"; } | tail -n "$quarantine_max"
    else
        printf '%s\n' "$body" | grep '^bad '
    fi
}

# Print the state as it is to be.
changed() {
    printf '%s\n' "$body" | grep -v '^bad ' | sed -e "s/^phase .*/phase $phase/" -e "s/^starts .*/starts $starts/"
    quarantine
}

keep() {
    lines=$(changed)
    fresh=$(mktemp "$folder/state.XXXXXX") || return 1
    printf '%s\nsum %s\n' "$lines" "$(printf '%s\n' "$lines" | sha256sum | cut -d ' ' -f 1)" >"$fresh" &&
        sync "$fresh" && mv -T "$fresh" "$state" && sync "$folder"
}

linked=$(readlink "$link") || linked=
if ! body=$(proven); then
    case $linked in
        A | B) give_up "the state of the slots cannot be read; slot $linked starts, as the link says" ;;
    esac
    for slot in A B; do
        [ -f "$folder/$slot.squashfs" ] && point "$slot" && give_up "no state and no link; slot $slot has an image"
    done
    give_up "no state, no link, and no image"
fi

well=$(field well)
phase=$(field phase)
starts=$(field starts)
digest=$(field other | cut -d ' ' -f 3)
blame=no
slot=$well
other=A
[ "$well" = B ] || other=B
[ "$linked" = "$other" ] || linked=$well

before=$phase$starts
case $phase:$linked in
    "switching:$well")
        phase=waiting
        starts=0
        ;;
    "trial:$well")
        phase=returning
        ;;
    "switching:$other" | "trial:$other")
        if [ "$starts" -ge "$starts_max" ]; then
            phase=returning
        else
            phase=trial
            starts=$((starts + 1))
            slot=$other
        fi
        ;;
esac
if [ "$phase$starts" != "$before" ]; then
    if [ "$phase" = returning ]; then
        starts=0
        blame=yes
    fi
    keep || { say "the state cannot be written; slot $well starts"; slot=$well; }
fi
point "$slot"
exit 0
