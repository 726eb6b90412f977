"""As much of systemd as an update meets: it starts hubd and hubupdate again, and does orders.

It runs the scripts that a hub has (`hubd-slot.sh`, `hubd-mount.sh`, `hubd-orders.sh`) as the units
say. `mount` and `systemctl` are this machine's own. It is a process of its own, so that a power cut
ends it with all that it has started.

How it works: one thread keeps hubd, one keeps hubupdate, one does orders. An order runs its script;
what that tells `systemctl` comes back here as a file in `control`.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

START_SECONDS = 1.5
"""In this time a version is ready, or its start failed."""
AGAIN_SECONDS = 0.1
POLL_SECONDS = 0.01


class Manager:
    """Keeps the programs of one machine, whose folder is `box`."""

    updater = "hubsim.update.updater"
    """What is run for hubupdate."""

    def __init__(self, box: Path) -> None:
        self._box = box
        self._run = box / "run"
        self._slots = box / "var/slots"
        self._mounts = self._run / "slots"
        self._control = self._run / "control"
        self._environment = {**os.environ, "PATH": f"{box}/tools:/usr/bin:/bin", "BOX": str(box)}
        self._hubd: subprocess.Popen[bytes] | None = None
        self._starting = threading.Lock()

    def run(self) -> None:
        """Go on until the power is cut."""
        self._start()
        for work in (self._keep_update, self._do_orders):
            threading.Thread(target=work, daemon=True).start()
        self._keep_hubd()

    def _keep_hubd(self) -> None:
        while True:
            time.sleep(POLL_SECONDS)
            restart = self._control / "restart"
            if restart.exists():
                restart.unlink()
                answer = self._control / "restarted.new"
                answer.write_text("0" if self._start() else "1")
                answer.rename(self._control / "restarted")
            elif self._has_ended():
                time.sleep(AGAIN_SECONDS)
                self._start()

    def _has_ended(self) -> bool:
        """Tell whether hubd does not run."""
        return self._hubd is None or self._hubd.poll() is not None

    def _start(self) -> bool:
        """Start hubd of the slot that the helper chooses; tell whether it got ready."""
        if self._hubd is not None:
            self._hubd.kill()
            self._hubd.wait()
        self._script("hubd-slot.sh", self._slots)
        self._script("hubd-mount.sh", self._slots, self._mounts, "now")
        (self._run / "hubd.sock").unlink(missing_ok=True)
        program = self._mounts / "now/bin/python"
        config = str(self._box / "hubd.json")
        command = [str(program), "-P", "-m", "hubd", "--config", config]
        try:
            self._hubd = subprocess.Popen(command, env=self._environment)
        except OSError:
            self._hubd = None
            return False
        ends = time.monotonic() + START_SECONDS
        while time.monotonic() < ends and self._hubd.poll() is None:
            if self._answers():
                return True
            time.sleep(POLL_SECONDS)
        return False

    def _answers(self) -> bool:
        try:
            with socket.socket(socket.AF_UNIX) as peer:
                peer.connect(str(self._run / "hubd.sock"))
        except OSError:
            return False
        return True

    def _keep_update(self) -> None:
        if not (self._box / "hubupdate.toml").exists():
            return
        while True:
            self._script("hubd-mount.sh", self._slots, self._mounts, "well")
            subprocess.run(
                [sys.executable, "-m", self.updater, self._box / "hubupdate.toml"],
                env={**self._environment, "PATH": os.environ["PATH"]},
                check=False,
            )
            time.sleep(AGAIN_SECONDS)

    def _do_orders(self) -> None:
        orders = self._box / "var/orders"
        while True:
            if any(orders.iterdir()):
                drop_in = self._run / "units/as-hubd.conf"
                self._script("hubd-orders.sh", orders, self._run / "orders", drop_in)
            time.sleep(POLL_SECONDS)

    def _script(self, name: str, *words: str | Path) -> None:
        command = ["/bin/sh", self._box / "scripts" / name, *words]
        subprocess.run(command, env=self._environment, check=False)


MOUNT = """#!/bin/sh
# mount -t squashfs -o OPTIONS IMAGE PLACE: the image is a program, which becomes PLACE/bin/python.
mkdir -p "$6/bin" && cp "$5" "$6/bin/python.new" && chmod 755 "$6/bin/python.new" &&
    mv "$6/bin/python.new" "$6/bin/python"
"""
UMOUNT = '#!/bin/sh\nrm -rf "$2/bin"\n'
MOUNTPOINT = '#!/bin/sh\n[ -e "$2/bin/python" ]\n'
SYSTEMCTL = """#!/bin/sh
# What hubd-orders.sh tells systemd, done by the manager of this machine.
control=$BOX/run/control
case "$*" in
    "restart hubd.service")
        rm -f "$control/restarted"
        : >"$control/restart"
        while [ ! -e "$control/restarted" ]; do sleep 0.02; done
        exit "$(cat "$control/restarted")"
        ;;
    "start hubd-selftest.service")
        sh "$BOX/scripts/hubd-mount.sh" "$BOX/var/slots" "$BOX/run/slots" test || exit 1
        status=0
        "$BOX/run/slots/test/bin/python" -P -m hubd --selftest || status=$?
        echo "$status" >"$control/tested"
        [ "$status" = 0 ]
        ;;
    "show -P ExecMainStatus hubd-selftest.service") cat "$control/tested" ;;
    "cat hubd.service") echo "[Service]" ;;
esac
"""
TOOLS = {"mount": MOUNT, "umount": UMOUNT, "mountpoint": MOUNTPOINT, "systemctl": SYSTEMCTL}


def main() -> None:
    """Be the machine in a folder."""
    box = Path(sys.argv[1])
    (box / "hubd.json").write_text(json.dumps({"socket": str(box / "run/hubd.sock")}))
    Manager(box).run()


if __name__ == "__main__":
    main()
