#!/bin/sh
# Mounts a slot's image for what is about to start, and says by a link which slot that is. Root runs it.
#
# Laws:
# 1. It needs no Python and nothing of either slot.
# 2. It mounts what the state and the link name, read-only. No user's rights and no device come out of an image.
# 3. `now` names the slot of hubd that runs: it is turned here alone, before a start. So hubd finds its own files until it ends,
#    also while an update turns the link in FOLDER.
# 4. It never keeps hubd from its start: where a slot cannot be mounted, the other one starts, and without any the version
#    that was installed by hand (/opt/hubd/). FOLDER is another user's: a pipe there is not waited for, and a link not followed.
#
# usage: hubd-mount.sh FOLDER MOUNTS now|well|test      FOLDER is hubd-slot.sh's; MOUNTS gets A, B and the link
set -u

folder=$1
mounts=$2
what=$3
by_hand=/opt/hubd/
bytes_max=8192

say() { printf 'hubd-mount: %s\n' "$*" >&2; }

# Mount slot $1. What was mounted there before may be another image: whoever still has it open keeps it.
mount_slot() {
    image=$folder/$1.squashfs
    [ -f "$image" ] && [ ! -L "$image" ] || return 1
    mkdir -p "$mounts/$1"
    if [ "$what" = well ] && mountpoint -q "$mounts/$1"; then
        return 0
    fi
    while mountpoint -q "$mounts/$1"; do
        umount -l "$mounts/$1" || return 1
    done
    mount -t squashfs -o loop,ro,nosuid,nodev "$image" "$mounts/$1"
}

# Let the link named as $what point to $1.
point() {
    ln -sfn "$1" "$mounts/.$what" && mv -T "$mounts/.$what" "$mounts/$what"
}

other_of() { if [ "$1" = A ]; then echo B; else echo A; fi; }

umask 022
mkdir -p "$mounts"
well=
if [ -f "$folder/state" ] && [ ! -L "$folder/state" ]; then
    well=$(head -c "$bytes_max" "$folder/state" 2>/dev/null | sed -n 's/^well //p' | head -n 1)
fi
linked=$(readlink "$folder/current") || linked=
case $well in
    A | B) ;;
    *) well=$linked ;;
esac
case $what in
    now) slot=$linked ;;
    well) slot=$well ;;
    test) slot=$(other_of "$well") ;;
    *) say "usage: hubd-mount.sh FOLDER MOUNTS now|well|test" && exit 64 ;;
esac
case $slot in
    A | B) ;;
    *) slot=A ;;
esac

if mount_slot "$slot"; then
    point "$slot"
    exit 0
fi
if [ "$what" = test ]; then
    say "slot $slot cannot be mounted"
    exit 1
fi
spare=$(other_of "$slot")
if [ "$what" = now ] && [ "$spare" = "$well" ] && mount_slot "$spare"; then
    say "slot $slot cannot be mounted; slot $spare starts"
    point "$spare"
    exit 0
fi
say "slot $slot cannot be mounted; $by_hand starts"
point "$by_hand"
exit 0
