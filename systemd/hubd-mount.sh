#!/bin/sh
# Mounts a slot's image for what is about to start, and says by a link which slot that is. Root runs it.
#
# Laws:
# 1. It needs no Python and nothing of either slot.
# 2. It mounts what the state and the link name, read-only. No user's rights and no device come out of an image.
# 3. `now` names the slot of hubd that runs, or is about to take over: it is turned here alone. hubd runs from the folder behind
#    it, and finds its own files there until it ends, whatever is turned meanwhile.
# 4. `take` leaves a slot alone that has this very image mounted: a hubd may run from it. It ends with 10 when hubd's unit or its
#    configuration was changed since its start: then only a start brings that into force.
# 5. It never keeps hubd from its start: where a slot cannot be mounted, the other one starts, and without any the version
#    that was installed by hand (/opt/hubd/). FOLDER is another user's: a pipe there is not waited for, and a link not followed.
#
# usage: hubd-mount.sh FOLDER MOUNTS now|well|test|take [ROOT]      FOLDER is hubd-slot.sh's; MOUNTS gets A, B and the link
set -u

folder=$1
mounts=$2
what=$3
root=${4:-}
by_hand=/opt/hubd/
bytes_max=8192
changed=10

say() { printf 'hubd-mount: %s\n' "$*" >&2; }

# Mount slot $1. What was mounted there before may be another image: whoever still has it open keeps it.
mount_slot() {
    image=$folder/$1.squashfs
    [ -f "$image" ] && [ ! -L "$image" ] || return 1
    mkdir -p "$mounts/$1"
    if [ "$what" = take ] && is_fresh "$1"; then
        return 0
    fi
    if [ "$what" = well ] && mountpoint -q "$mounts/$1"; then
        return 0
    fi
    while mountpoint -q "$mounts/$1"; do
        umount -l "$mounts/$1" || return 1
    done
    mount -t squashfs -o loop,ro,nosuid,nodev "$image" "$mounts/$1"
}

# Tell whether slot $1 has this very image mounted, and not one that lay there before.
is_fresh() {
    mountpoint -q "$mounts/$1" && device=$(findmnt -n -o SOURCE "$mounts/$1") || return 1
    [ "$(losetup -n -O BACK-INO "$device" | tr -d ' ')" = "$(stat -c %i "$image")" ]
}

# Let the link named as $what point to $1; that of `take` is `now`.
point() {
    name=$what
    [ "$name" != take ] || name=now
    ln -sfn "$1" "$mounts/.$name" && mv -T "$mounts/.$name" "$mounts/$name"
}

# Print a digest of what a start reads and a process that takes over does not: the unit, and the settings of what changes hands.
of_a_start() {
    sha256sum "$root"/etc/hubd/hubd.toml "$root"/etc/systemd/system/hubd.service "$root"/etc/systemd/system/hubd.service.d/*.conf \
        "$root"/run/systemd/system/hubd.service "$root"/run/systemd/system/hubd.service.d/*.conf \
        "$root"/usr/lib/systemd/system/hubd.service "$root"/usr/lib/systemd/system/hubd.service.d/*.conf 2>/dev/null | sha256sum
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
    now)
        slot=$linked
        of_a_start >"$mounts/started"
        ;;
    take) slot=$linked ;;
    well) slot=$well ;;
    test) slot=$(other_of "$well") ;;
    *) say "usage: hubd-mount.sh FOLDER MOUNTS now|well|test|take" && exit 64 ;;
esac
case $slot in
    A | B) ;;
    *) slot=A ;;
esac

if mount_slot "$slot"; then
    point "$slot"
    [ "$what" != take ] || [ "$(of_a_start)" = "$(cat "$mounts/started")" ] || exit "$changed"
    exit 0
fi
if [ "$what" = test ] || [ "$what" = take ]; then
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
