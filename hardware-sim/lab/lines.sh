#!/bin/sh
# Makes one chip of gpio-sim with 8 lines, as the hub's board has: 0..3 strikes, 4..7 contacts.
set -e
mountpoint -q /sys/kernel/config || mount -t configfs none /sys/kernel/config
hub=/sys/kernel/config/gpio-sim/hub
mkdir -p $hub/bank0
echo 8 >$hub/bank0/num_lines
echo 1 >$hub/live
chip=/dev/$(cat $hub/bank0/chip_name)
[ "$chip" = /dev/gpiochip0 ] || ln -sf "$chip" /dev/gpiochip0
chgrp gpio "$chip"
chmod 660 "$chip"
