#!/bin/sh
# Process 1 of the guest until systemd takes over.
#
# Law: the machine's own root lies below, read-only in effect, and memory above it: nothing is written back.
# From the kernel's command line: LAB this folder, SRC the source tree, PY the Python prefix, SITE its site-packages,
# BLUEZ a folder with the bluetoothd and btmon to be taken instead of the machine's, if any; HUB what `make install` made
# with DESTDIR, if the hub is to be that.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
root=/mnt/root
mount -t proc proc /proc
mount -t tmpfs -o size=50% over /mnt
mkdir -p /mnt/upper /mnt/work $root
mount -t overlay over -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work $root || exec poweroff -f

cd $root/etc/systemd/system || exec poweroff -f
for unit in systemd-tmpfiles-setup.service systemd-tmpfiles-setup-dev.service systemd-update-utmp.service \
            systemd-timesyncd.service systemd-pstore.service systemd-udev-trigger.service systemd-udevd.service \
            systemd-udevd-control.socket systemd-udevd-kernel.socket systemd-random-seed.service \
            systemd-sysctl.service systemd-binfmt.service systemd-modules-load.service systemd-remount-fs.service e2scrub_reap.service \
            apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer man-db.timer \
            fstrim.timer systemd-tmpfiles-clean.timer ldconfig.service systemd-journal-flush.service; do
    ln -sf /dev/null "$unit"
done
cp "$LAB"/units/* .
ln -sf /lib/systemd/system/bluetooth.service dbus-org.bluez.service
# A marker that this machine is a container would have systemd leave out half of its work.
rm -rf $root/.dockerenv $root/run/.containerenv $root/etc/fstab $root/var/log/journal $root/var/lib/bluetooth
if [ -n "${BLUEZ:-}" ]; then
    mkdir -p $root/opt/bluez
    mount -r -t hostfs none $root/opt/bluez -o "$BLUEZ"
    cp $root/opt/bluez/bluetoothd $root/usr/libexec/bluetooth/bluetoothd || exec poweroff -f
    cp $root/opt/bluez/btmon $root/usr/bin/btmon || exec poweroff -f
fi

# The lab's own, wherever it lies on this machine. Read-only, as all that is mounted from it: what a guest removes stays.
mkdir -p $root/opt/lab/python $root/opt/lab/lab
mount -r -t hostfs none $root/opt/lab/python -o "$PY"
mount -r -t hostfs none $root/opt/lab/lab -o "$LAB"
if [ -n "${HUB:-}" ]; then
    cp -a "$HUB"/* $root || exec poweroff -f
else
    # The tree itself and its packages for the environment; all else as `make install` puts it in place.
    mkdir -p $root/opt/hubd/bin $root/opt/hubd/src $root/opt/hubd/site
    mount -r -t hostfs none $root/opt/hubd/src -o "$SRC"
    mount -r -t hostfs none $root/opt/hubd/site -o "$SITE"
    cat >$root/opt/hubd/bin/python <<'T'
#!/bin/sh
export PYTHONPATH=/opt/hubd/src:/opt/hubd/src/hardware-sim:/opt/hubd/site PYTHONDONTWRITEBYTECODE=1
# A Python that was built into a home directory looks for its own library there, where a sandboxed unit sees nothing. It
# would then take the machine's library of another version, with which its own modules, such as _ssl, do not load.
export LD_LIBRARY_PATH=/opt/lab/python/lib
exec /opt/lab/python/bin/python3 "$@"
T
    for program in hubd hubctl hubbridge; do
        printf '#!/bin/sh\nexec /opt/hubd/bin/python -m %s "$@"\n' "$program" >$root/opt/hubd/bin/$program
    done
    chmod 755 $root/opt/hubd/bin/*
    DESTDIR=$root "$SRC/systemd/install.sh" files || exec poweroff -f
fi
systemd-sysusers --root=$root hubd.conf hubbridge.conf || exec poweroff -f
systemd-tmpfiles --root=$root --create hubd.conf || exec poweroff -f
echo hub >$root/etc/hostname

umount /proc
cd /
exec switch_root $root /lib/systemd/systemd --unit=lab.target --log-target=console --log-level=notice
