#!/bin/sh
# Says what the lab's guest needs of this machine and does not find, with the line that installs it; exits 1 then.
lacking=
for file in /usr/libexec/bluetooth/bluetoothd /usr/bin/btmon /usr/bin/bluetoothctl /usr/bin/dbus-daemon \
            /usr/bin/dbus-monitor /lib/systemd/systemd /usr/bin/systemd-run; do
    [ -x "$file" ] || lacking="$lacking $file"
done
[ -x /sbin/switch_root ] || [ -x /usr/sbin/switch_root ] || lacking="$lacking switch_root"
[ "$(id -u)" = 0 ] || lacking="$lacking root(the guest's root is this machine's, which a plain user cannot read whole)"
[ -z "$lacking" ] && exit 0
echo "lab: this machine lacks:$lacking"
echo "lab: install with: apt-get install --no-install-recommends bluez dbus dbus-bin systemd util-linux"
exit 1
