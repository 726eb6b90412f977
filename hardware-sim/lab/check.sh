#!/bin/sh
# Says what the lab needs of this machine and does not find, with the line that installs it; exits 1 then.
#
# Law: without --install nothing is changed; with it, as root on a machine with apt, what lacks is installed.
# usage: check.sh [--install]
kernel=$(dirname "$0")/kernel.sh
packages="bluez bluez-test-tools dbus dbus-bin systemd udev procps e2fsprogs util-linux squashfs-tools $("$kernel" --packages)"

lacking() {
    lack=
    for file in /usr/libexec/bluetooth/bluetoothd /usr/bin/btvirt /usr/bin/btmon /usr/bin/bluetoothctl /usr/bin/dbus-daemon \
                /usr/bin/dbus-monitor /lib/systemd/systemd /lib/systemd/systemd-udevd /usr/bin/udevadm /usr/bin/systemd-run \
                /usr/bin/kill /usr/bin/mksquashfs /sbin/mkfs.ext4; do
        [ -x "$file" ] || lack="$lack $file"
    done
    [ -x /sbin/switch_root ] || [ -x /usr/sbin/switch_root ] || lack="$lack switch_root"
    "$kernel" --path >/dev/null || lack="$lack$("$kernel" --lacking)"
    printf '%s' "$lack"
}

if [ "$(id -u)" != 0 ]; then
    echo "lab: needs root: the guest's root is this machine's, which a plain user cannot read whole"
    exit 1
fi
[ -n "$(lacking)" ] || exit 0
if [ "${1:-}" = --install ] && command -v apt-get >/dev/null; then
    echo "lab: installing what lacks:$(lacking)"
    apt-get update -qq
    # shellcheck disable=SC2086 # a list
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages >/dev/null
fi
[ -n "$(lacking)" ] || exit 0
echo "lab: this machine lacks:$(lacking)"
# shellcheck disable=SC2086 # one line of it
echo "lab: install with: apt-get install --no-install-recommends" $packages
exit 1
