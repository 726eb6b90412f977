"""What root does for an update: mounts, orders, the installation, and the units that say so."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from hubcore.update.image import Image
from hubcore.update.slots import Phase, Slot, Slots
from hubupdate.disk import Disk
from hubupdate.running.app import ORDERS, SLOTS, WISHES
from hubupdate.running.machine import MOUNTED_FOR_A_START, NOW
from hubupdate.running.orders import POLL_SECONDS, SECONDS, Order, Orders

pytestmark = pytest.mark.once

ROOT = Path(__file__).parents[3]
SYSTEMD = ROOT / "systemd"
OLD = Image("hubd-1.squashfs", "1.0", b"\x01" * 32, 1000)
NEW = Image("hubd-2.squashfs", "2.0", b"\x02" * 32, 2000)
MOUNT = """#!/bin/sh
# As much of mount(8) as hubd-mount.sh asks for: what is mounted is a copy of the image's file.
[ "$1 $2 $3 $4" = "-t squashfs -o loop,ro,nosuid,nodev" ] || exit 9
grep -q broken "$5" && exit 32
cp "$5" "$6/image"
stat -c %i "$5" >"$6/from"
"""
UMOUNT = '#!/bin/sh\nrm "$2/image"\n'
FINDMNT = '#!/bin/sh\necho "$4"\n'
LOSETUP = '#!/bin/sh\necho " $(cat "$4/from")"\n'
STARTED_WITH = ("etc/hubd/hubd.toml", "usr/lib/systemd/system/hubd.service")
MOUNTPOINT = '#!/bin/sh\n[ -e "$2/image" ]\n'
SYSTEMCTL = """#!/bin/sh
echo "$*" >>"$LOG"
case "$*" in
    "restart hubd.service") exit "${RESTART:-0}" ;;
    "start hubd-selftest.service") exit "${TEST:-0}" ;;
    "start hubd-mount@take.service") exit "${MOUNT:-0}" ;;
    "show -P ExecMainStatus hubd-mount@take.service") echo "${MOUNT:-0}" ;;
    "show -P ExecMainStatus hubd-selftest.service") echo "${TEST:-0}" ;;
    "cat hubd.service")
        printf '[Service]\\nUser=hubd\\nLoadCredential=identity:hubd.identity\\n'
        printf 'SupplementaryGroups=dialout\\nLoadCredential=\\nLoadCredentialEncrypted=a:b\\n'
        printf 'ExecStart=/bin/true\\n'
        ;;
esac
"""


def tools(folder: Path, **texts: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    return folder


class Mounts:
    """A machine's slots, and the script that mounts them."""

    def __init__(self, folder: Path) -> None:
        self.slots = folder / "slots"
        self.mounts = folder / "mounts"
        self.slots.mkdir()
        self.disk = Disk(self.slots)
        self.tools = tools(
            folder / "tools",
            mount=MOUNT,
            umount=UMOUNT,
            mountpoint=MOUNTPOINT,
            findmnt=FINDMNT,
            losetup=LOSETUP,
        )
        self.root = folder / "root"
        for name in STARTED_WITH:
            (self.root / name).parent.mkdir(parents=True)
            (self.root / name).touch()
        for slot in Slot:
            self.disk.image_file(slot).write_text(f"image {slot}")
        self.disk.keep_state(Slots(Slot.A, OLD, NEW, Phase.WAITING))
        self.disk.point(Slot.A)

    def run(self, what: str, expected: int = 0) -> str:
        done = subprocess.run(
            ["/bin/sh", SYSTEMD / "hubd-mount.sh", self.slots, self.mounts, what, self.root],
            env={"PATH": f"{self.tools}:/usr/bin:/bin"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == expected, done.stderr
        return done.stderr

    def link(self, what: str) -> str:
        return os.readlink(self.mounts / what)

    def mounted(self, what: str) -> str:
        return (self.mounts / what / "image").read_text()


@pytest.fixture
def mounts(tmp_path: Path) -> Mounts:
    return Mounts(tmp_path)


def test_what_starts_is_the_slot_that_the_link_names(mounts: Mounts) -> None:
    mounts.disk.point(Slot.B)
    assert mounts.run("now") == ""
    assert (mounts.link("now"), mounts.mounted("now")) == ("B", "image B")
    mounts.disk.point(Slot.A)
    assert mounts.link("now") == "B", "a link that is turned amid a life changes no path of hubd"
    mounts.run("now")
    assert (mounts.link("now"), mounts.mounted("now")) == ("A", "image A")


def test_an_update_runs_from_the_slot_that_was_found_well_also_amid_a_trial(mounts: Mounts) -> None:
    mounts.disk.point(Slot.B)
    mounts.run("now")
    mounts.run("well")
    assert (mounts.link("well"), mounts.mounted("well")) == ("A", "image A")


def test_a_test_gets_the_other_slot_as_it_was_written_last(mounts: Mounts) -> None:
    mounts.run("test")
    assert mounts.mounted("test") == "image B"
    mounts.disk.image_file(Slot.B).write_text("image B, newer")
    mounts.run("test")
    assert mounts.mounted("test") == "image B, newer"


def test_a_new_slot_that_cannot_be_mounted_starts_the_old_one(mounts: Mounts) -> None:
    mounts.disk.point(Slot.B)
    mounts.disk.image_file(Slot.B).write_text("broken")
    assert "slot A starts" in mounts.run("now")
    assert (mounts.link("now"), mounts.mounted("now")) == ("A", "image A")


@pytest.mark.parametrize("what", ["now", "well"])
def test_without_any_slot_the_version_that_was_installed_by_hand_starts(
    mounts: Mounts, what: str
) -> None:
    mounts.disk.image_file(Slot.A).write_text("broken")
    mounts.disk.image_file(Slot.B).write_text("broken")
    assert "/opt/hubd/ starts" in mounts.run(what)
    assert mounts.link(what) == "/opt/hubd/"


def test_an_old_slot_that_cannot_be_mounted_starts_no_version_that_nobody_tried(
    mounts: Mounts,
) -> None:
    mounts.disk.image_file(Slot.A).write_text("broken")
    mounts.run("now")
    assert mounts.link("now") == "/opt/hubd/"


def test_the_slot_that_is_to_take_over_is_mounted_beside_the_one_that_runs(mounts: Mounts) -> None:
    """hubd-mount, laws 3 and 4"""
    mounts.run("now")
    mounts.disk.point(Slot.B)
    mounts.run("take")
    assert (mounts.link("now"), mounts.mounted("now")) == ("B", "image B")
    (mounts.mounts / "A/image").write_text("as it was mounted")
    mounts.disk.point(Slot.A)
    mounts.run("take")
    assert mounts.link("now") == "A"
    assert mounts.mounted("now") == "as it was mounted", "a hubd that runs from it keeps its files"


def test_a_slot_that_was_written_again_is_mounted_again(mounts: Mounts) -> None:
    """hubd-mount, law 4"""
    mounts.run("now")
    mounts.disk.point(Slot.B)
    mounts.run("take")
    image = mounts.disk.image_file(Slot.B)
    newer = image.with_suffix(".newer")
    newer.write_text("image B, newer")
    newer.replace(image)
    mounts.run("take")
    assert mounts.mounted("now") == "image B, newer"


@pytest.mark.parametrize("file", [*STARTED_WITH, "run/systemd/system/hubd.service.d/new.conf"])
def test_what_only_a_start_reads_is_told_when_it_was_changed_since(
    mounts: Mounts, file: str
) -> None:
    """hubd-mount, law 4"""
    mounts.run("now")
    mounts.disk.point(Slot.B)
    mounts.run("take")
    path = mounts.root / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("# changed\n")
    mounts.run("take", expected=MOUNTED_FOR_A_START)
    assert (mounts.link("now"), mounts.mounted("now")) == ("B", "image B")
    mounts.run("now")
    mounts.run("take")


def test_a_hub_whose_start_nobody_noted_is_started_again(mounts: Mounts) -> None:
    mounts.disk.point(Slot.B)
    mounts.run("take", expected=MOUNTED_FOR_A_START)


def test_a_slot_that_cannot_be_mounted_turns_no_link(mounts: Mounts) -> None:
    mounts.run("now")
    mounts.disk.point(Slot.B)
    mounts.disk.image_file(Slot.B).write_text("broken")
    assert "slot B cannot be mounted" in mounts.run("take", expected=1)
    assert mounts.link("now") == "A"


def test_a_test_that_cannot_be_mounted_says_so(mounts: Mounts) -> None:
    mounts.disk.image_file(Slot.B).unlink()
    assert "cannot be mounted" in mounts.run("test", expected=1)


def test_a_link_in_the_place_of_an_image_is_not_mounted(mounts: Mounts) -> None:
    mounts.disk.image_file(Slot.B).unlink()
    mounts.disk.image_file(Slot.B).symlink_to(mounts.disk.image_file(Slot.A))
    mounts.run("test", expected=1)


@pytest.mark.parametrize("what", ["now", "well"])
def test_a_pipe_or_a_link_in_the_place_of_the_state_keeps_no_start_waiting(
    mounts: Mounts, what: str, tmp_path: Path
) -> None:
    """hubd-mount, law 4: the folder is the updates' own, and root reads it"""
    state = mounts.slots / "state"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("well B\n")
    state.unlink()
    os.mkfifo(state)
    mounts.run(what)
    assert mounts.link(what) == "A"
    state.unlink()
    state.symlink_to(elsewhere)
    mounts.run(what)
    assert mounts.link(what) == "A"


@pytest.mark.parametrize("state", ["", "junk\n", "well C\n", "well ../../etc\n"])
def test_a_state_that_says_nothing_goes_by_the_link(mounts: Mounts, state: str) -> None:
    (mounts.slots / "state").write_text(state)
    mounts.disk.point(Slot.B)
    mounts.run("now")
    assert mounts.link("now") == "B"


def test_a_real_image_is_mounted_for_reading_alone(tmp_path: Path) -> None:
    if os.geteuid() != 0 or not shutil.which("mksquashfs") or not shutil.which("unshare"):
        pytest.skip("this machine makes no image, or lets no test mount one")
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "image").write_text("a real one")
    mounts = Mounts(tmp_path)
    image = mounts.disk.image_file(Slot.A)
    image.unlink()
    subprocess.run(
        ["mksquashfs", tree, image, "-noappend", "-quiet", "-no-progress"],
        check=True,
        capture_output=True,
        timeout=60,
    )
    script = (
        f"/bin/sh {SYSTEMD}/hubd-mount.sh {mounts.slots} {mounts.mounts} now && "
        f"/bin/sh {SYSTEMD}/hubd-mount.sh {mounts.slots} {mounts.mounts} now && "
        f"cat {mounts.mounts}/now/image && ! touch {mounts.mounts}/now/image"
    )
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if "slot A cannot be mounted" in done.stderr:
        pytest.skip("this machine lets no test mount an image")
    assert (done.returncode, done.stdout) == (0, "a real one"), done.stderr


class Root:
    """Root's side of the orders: the script, with a systemctl that writes down what it is told."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.orders = folder / "orders"
        self.orders.mkdir()
        self.answers = folder / "answers"
        self.tools = tools(folder / "tools", systemctl=SYSTEMCTL)

    def run(self, **environment: str) -> None:
        subprocess.run(
            ["/bin/sh", SYSTEMD / "hubd-orders.sh", self.orders, self.answers, self.drop_in],
            env={
                "PATH": f"{self.tools}:/usr/bin:/bin",
                "LOG": str(self.folder / "log"),
                **environment,
            },
            check=True,
            capture_output=True,
            timeout=60,
        )

    @property
    def drop_in(self) -> Path:
        return self.folder / "units/as-hubd.conf"

    @property
    def told(self) -> list[str]:
        log = self.folder / "log"
        return log.read_text().splitlines() if log.exists() else []

    def give(self, order: Order, **environment: str) -> int | None:
        """Give an order as hubupdate does; root does it while that waits."""
        now = [0.0]

        def rest(seconds: float) -> None:
            now[0] += seconds
            self.run(**environment)

        return Orders(self.orders, self.answers, lambda: now[0], rest).give(order)


@pytest.fixture
def root(tmp_path: Path) -> Root:
    return Root(tmp_path)


@pytest.mark.parametrize("status", [0, 1])
def test_a_restart_is_ordered_and_its_status_comes_back(root: Root, status: int) -> None:
    assert root.give(Order.RESTART, RESTART=str(status)) == status
    assert root.told == ["restart hubd.service"]
    assert list(root.orders.iterdir()) == []


@pytest.mark.parametrize("status", [0, 73, 75, 78])
def test_a_self_test_is_ordered_with_the_credentials_of_hubd(root: Root, status: int) -> None:
    assert root.give(Order.SELF_TEST, TEST=str(status)) == status
    assert root.drop_in.read_text().splitlines() == [
        "[Service]",
        "LoadCredential=identity:hubd.identity",
        "SupplementaryGroups=dialout",
        "LoadCredential=",
        "LoadCredentialEncrypted=a:b",
    ]
    assert root.told[:2] == ["cat hubd.service", "daemon-reload"]


@pytest.mark.parametrize("status", [0, 1, MOUNTED_FOR_A_START])
def test_a_mount_is_ordered_and_its_status_comes_back(root: Root, status: int) -> None:
    assert root.give(Order.MOUNT, MOUNT=str(status)) == status
    assert root.told[0] == "start hubd-mount@take.service"


def test_an_order_that_nobody_answers_is_taken_back(tmp_path: Path) -> None:
    now = [0.0]

    def rest(seconds: float) -> None:
        assert seconds == POLL_SECONDS
        now[0] += 10

    orders = tmp_path / "orders"
    orders.mkdir()
    given = Orders(orders, tmp_path / "answers", lambda: now[0], rest).give(Order.RESTART)
    assert given is None
    assert now[0] >= SECONDS[Order.RESTART]
    assert list(orders.iterdir()) == []


@pytest.mark.parametrize(
    "name",
    [
        "restart",
        "restart-",
        "restart-0123456789abcdeF",
        "restart-0123456789abcde",
        "restart-0123456789abcdef0",
        "reboot-0123456789abcdef",
        "restart-0123456789abcdef ; reboot",
        "-rf",
        ".hidden",
        "..hidden",
        "restart-a-0123456789abcdef",
    ],
)
def test_what_is_no_order_goes_and_nothing_is_done(root: Root, name: str) -> None:
    (root.orders / name).touch()
    root.run()
    assert root.told == []
    assert list(root.orders.iterdir()) == []


def test_folders_and_links_among_orders_go_and_what_they_lead_to_stays(
    root: Root, tmp_path: Path
) -> None:
    mine = tmp_path / "mine"
    mine.write_text("mine")
    (root.orders / "link").symlink_to(mine)
    (root.orders / "folder/deep").mkdir(parents=True)
    (root.orders / "dangling").symlink_to(tmp_path / "nowhere")
    root.run()
    assert list(root.orders.iterdir()) == []
    assert mine.read_text() == "mine"


def test_answers_do_not_pile_up(root: Root) -> None:
    for _ in range(5):
        root.give(Order.RESTART)
    assert len(list(root.answers.iterdir())) == 1


# The units


def settings(name: str) -> list[tuple[str, str]]:
    lines = (SYSTEMD / name).read_text().splitlines()
    return [
        (key, value)
        for key, equals, value in (line.partition("=") for line in lines)
        if equals and not key.startswith("#")
    ]


def test_the_units_name_the_folders_that_the_program_uses() -> None:
    tmpfiles = (SYSTEMD / "hubupdate.tmpfiles").read_text()
    for name in (SLOTS, ORDERS, WISHES):
        assert f"d /var/lib/hubupdate/{name} " in tmpfiles
    assert ("DirectoryNotEmpty", f"/var/lib/hubupdate/{ORDERS}") in settings("hubd-orders.path")
    slots = (SYSTEMD / "hubd-slots.conf").read_text()
    assert f'"$$(readlink -f /run/hubd-slots/{NOW})/bin/python" -P -m hubd ' in slots
    mount = (SYSTEMD / "hubd-mount@.service").read_text()
    assert f"/var/lib/hubupdate/{SLOTS} /run/hubd-slots %i\n" in mount
    assert f"systemctl start hubd-mount@{NOW}.service\n" in slots


def test_what_mounts_for_the_whole_machine_has_no_mount_namespace_of_its_own() -> None:
    """systemd.exec(5): each of these makes one."""
    own = re.compile(r"(Private|Protect|ReadOnly|ReadWrite|Inaccessible|Bind|Root|Temporary)")
    assert [key for key, _ in settings("hubd-mount@.service") if own.match(key)] == []


def test_what_chooses_the_slot_never_keeps_hubd_from_its_start() -> None:
    """Also where a tool or a user is missing: the minus before it says so to systemd."""
    before = [value for key, value in settings("hubd-slots.conf") if key == "ExecStartPre"]
    assert len(before) == 2
    assert all(value.startswith("-+") for value in before)


def test_a_start_that_a_new_version_refuses_is_tried_again_and_so_counted() -> None:
    assert ("RestartPreventExitStatus", "") in settings("hubd-slots.conf")
    assert ("Restart", "always") in settings("hubd.service")
    assert ("StartLimitIntervalSec", "0") in settings("hubd.service")


def test_the_program_that_reads_strangers_bytes_has_no_rights() -> None:
    update = settings("hubupdate.service")
    assert ("User", "hubupdate") in update
    assert ("CapabilityBoundingSet", "") in update
    assert ("NoNewPrivileges", "yes") in update
    assert ("ProtectSystem", "strict") in update
    assert [value for key, value in update if key == "ReadWritePaths"] == ["/var/lib/hubupdate"]


def test_a_version_on_its_test_speaks_to_nobody() -> None:
    test = settings("hubd-selftest.service")
    assert ("PrivateNetwork", "yes") in test
    assert ("CapabilityBoundingSet", "") in test


def test_the_times_of_orders_hold_those_of_the_units() -> None:
    def seconds(name: str, key: str) -> float:
        return float(dict(settings(name))[key])

    restart = seconds("hubd.service", "TimeoutStopSec") + seconds("hubd.service", "TimeoutStartSec")
    assert SECONDS[Order.RESTART] >= 2 * restart
    assert SECONDS[Order.SELF_TEST] > seconds("hubd-selftest.service", "TimeoutStartSec")
    assert seconds("hubd-orders.service", "TimeoutStartSec") > SECONDS[Order.SELF_TEST]
    assert SECONDS[Order.MOUNT] > seconds("hubd-mount@.service", "TimeoutStartSec")


@pytest.mark.parametrize(
    "name",
    [
        "hubupdate.service",
        "hubd-orders.service",
        "hubd-orders.path",
        "hubd-selftest.service",
        "hubd-mount@.service",
    ],
)
def test_systemd_understands_the_units(tmp_path: Path, name: str) -> None:
    if not shutil.which("systemd-analyze"):
        pytest.skip("this machine has no systemd-analyze")
    for path in SYSTEMD.glob("hub*.[sp][ea]*"):
        shutil.copy(path, tmp_path)
    done = subprocess.run(
        ["systemd-analyze", "verify", tmp_path / name],
        env={"SYSTEMD_UNIT_PATH": f"{tmp_path}:", "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    wrong = [line for line in done.stderr.splitlines() if "is not executable" not in line]
    assert [line for line in wrong if name in line] == []


# The installation


EVERY = {
    "etc/hubupdate/hubupdate.toml",
    "usr/bin/hubctl",
    "usr/lib/hubd/hubd-mount.sh",
    "usr/lib/hubd/hubd-orders.sh",
    "usr/lib/hubd/hubd-slot.sh",
    "usr/lib/systemd/system/hubd-mount@.service",
    "usr/lib/systemd/system/hubd-orders.path",
    "usr/lib/systemd/system/hubd-orders.service",
    "usr/lib/systemd/system/hubd-selftest.service",
    "usr/lib/systemd/system/hubd.service.d/slots.conf",
    "usr/lib/systemd/system/hubupdate.service",
    "usr/lib/sysusers.d/hubupdate.conf",
    "usr/lib/tmpfiles.d/hubupdate.conf",
}


def install(
    image: Path, *words: str, prefix: str = "/opt/hubd"
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [SYSTEMD / "install-update.sh", *words],
        env={"PATH": os.environ["PATH"], "DESTDIR": str(image), "PREFIX": prefix},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def tree(image: Path) -> set[str]:
    return {
        str(path.relative_to(image))
        for path in image.rglob("*")
        if not path.is_dir() and "opt" not in path.relative_to(image).parts[:1]
    }


def hub(image: Path, prefix: str = "opt/hubd") -> None:
    for name in ("python", "hubctl"):
        path = image / prefix / "bin" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("#!/bin/sh\n")
        path.chmod(0o755)


def test_an_image_gets_every_file_and_gives_them_back(tmp_path: Path) -> None:
    hub(tmp_path)
    done = install(tmp_path, "install")
    assert done.returncode == 0, done.stderr
    assert tree(tmp_path) == EVERY
    config = tmp_path / "etc/hubupdate/hubupdate.toml"
    config.write_text("# mine\n")
    assert install(tmp_path, "install").returncode == 0
    assert config.read_text() == "# mine\n"
    assert install(tmp_path, "uninstall").returncode == 0
    assert tree(tmp_path) == {"etc/hubupdate/hubupdate.toml", "usr/bin/hubctl"}
    assert (tmp_path / "usr/bin/hubctl").readlink() == Path("/opt/hubd/bin/hubctl")


def test_the_names_for_a_package_are_those_of_the_files_it_lays() -> None:
    done = subprocess.run(
        [SYSTEMD / "install-update.sh", "names"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    names = done.stdout.split()
    assert len(names) == len(EVERY) - 1
    assert all((SYSTEMD / name).is_file() for name in names)


def test_another_prefix_is_the_one_to_fall_back_on(tmp_path: Path) -> None:
    hub(tmp_path, "srv/hub")
    assert install(tmp_path, "install", prefix="/srv/hub").returncode == 0
    for name in EVERY - {"etc/hubupdate/hubupdate.toml"}:
        assert "/opt/hubd" not in (tmp_path / name).read_text(), name
    script = (tmp_path / "usr/lib/hubd/hubd-mount.sh").read_text()
    assert re.search(r"^by_hand=/srv/hub/$", script, re.MULTILINE)


def test_without_a_hub_nothing_is_installed(tmp_path: Path) -> None:
    done = install(tmp_path, "install")
    assert done.returncode == 1
    assert "make install EXTRAS=update" in done.stderr
    assert tree(tmp_path) == set()


def test_a_link_that_leads_out_of_an_image_is_refused(tmp_path: Path) -> None:
    image = tmp_path / "image"
    outside = tmp_path / "outside"
    outside.mkdir()
    hub(image)
    (image / "usr").mkdir()
    (image / "usr/lib").symlink_to(outside)
    assert install(image, "install").returncode == 1
    assert list(outside.iterdir()) == []
