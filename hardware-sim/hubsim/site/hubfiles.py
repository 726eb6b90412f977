"""What a hub reads: its configuration on the desk, and the files that go to a real hub."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hubd.config.file import parse
from hubsim.phone.wallet import write_private
from hubsim.site.folder import Site, keep_out_of_git, write_public
from hubsim.site.readers import CARD_KEY_FILE, DeskReader, readers_of

_DESK_TIME_ZONE = "Europe/Berlin"
_DPS_LINES_BEGIN = 32
FILE_OF_KEY = {
    "identity": "identity.key",
    "certificate": "certificate.cbor",
    "issuer": "issuer.cbor",
    "curve_secret": "curve.secret",
    "backend_public": "backend.pub",
    "beacon": "beacon.key",
    "card_key": CARD_KEY_FILE,
    "tls_key": "tls.key",
    "tls_certificate": "tls.pem",
    "tls_authority": "authority.pem",
    "pkoc_key": "pkoc.key",
    "pkoc_certificate": "pkoc.cert",
}
"""By the name in hubd's [keys]: the file in the hub's folder here."""
BUILDING = "building.toml"
"""In a hub's folder: what its configuration has beside doors and readers (`site.building`)."""
PKOC_SECTION = "pkoc.toml"
"""In a hub's folder: its section [pkoc], where it meets phones that others make (`hubsim.pkoc`)."""
_CREDENTIALS = {"CREDENTIALS_DIRECTORY": "/run/credentials/hubd.service"}


@dataclass(frozen=True, slots=True)
class DeskDoor:
    """One door of a desk's hub with one access point.

    `strikes` names the strikes of a door that has several. `continuous`: those may be held open.
    `lock`: the node of a Z-Wave lock that moves it, in place of a strike.
    """

    id: str = "front"
    name: str = "Front door"
    access_point: int = 1
    strike_seconds: float = 5.0
    fresh: bool = False
    strikes: tuple[str, ...] = ()
    continuous: bool = False
    held_open_seconds: float = 60.0
    lock: int | None = None


def desk_doors(points: Sequence[int]) -> list[DeskDoor]:
    """Return one door for each access point."""
    if tuple(points) == (1,):
        return [DeskDoor()]
    return [DeskDoor(f"door-{point}", f"Door {point}", point) for point in points]


def write_config(
    site: Site,
    endpoint: str,
    doors: Sequence[DeskDoor],
    hub: str | None = None,
) -> Path:
    """Write the desk's configuration of a hub, of the first one if none is named.

    `endpoint` is the backend's. Return the path of the file.
    """
    hub = hub or site.first_hub
    folder = site.hub_folder(hub)
    pkoc = _pkoc_section(folder)
    beacon_line = '\nbeacon = "beacon.key"' if site.beacon_key and not pkoc else ""
    readers = list(readers_of(folder))
    card_line = f'\ncard_key = "{CARD_KEY_FILE}"' if readers or pkoc else ""
    pkoc_lines = _pkoc_keys(folder) if pkoc else ""
    text = f"""[hub]
id = "{hub}"
site = "{site.name}"
time_zone = "{_DESK_TIME_ZONE}"
state_directory = "state"

[keys]
identity = "identity.key"
certificate = "certificate.cbor"
issuer = "issuer.cbor"
curve_secret = "curve.secret"
backend_public = "backend.pub"
tls_key = "tls.key"
tls_certificate = "tls.pem"
tls_authority = "authority.pem"{beacon_line}{card_line}{pkoc_lines}

[backend]
endpoint = "{endpoint}"

[api]
socket = "hubd.sock"
"""
    for index, door in enumerate(doors):
        text += _desk_door_section(index, door)
    text += "".join(reader.section() for reader in readers)
    text += pkoc
    building = folder / BUILDING
    if building.exists():
        text += building.read_text()
    path = folder / "hub.toml"
    write_public(path, text.encode())
    return path


def _pkoc_section(folder: Path) -> str:
    path = folder / PKOC_SECTION
    return path.read_text() if path.exists() else ""


def _pkoc_keys(folder: Path) -> str:
    """Return the lines of the reader's key, and of its certificate where it has one."""
    names = ("pkoc_key", "pkoc_certificate")
    there = [name for name in names if (folder / FILE_OF_KEY[name]).exists()]
    return "".join(f'\n{name} = "{FILE_OF_KEY[name]}"' for name in there)


def _desk_door_section(index: int, door: DeskDoor) -> str:
    has_movers = bool(door.strikes) or door.lock is not None
    strike = "" if has_movers else f'strike = {{ chip = "gpiochip0", line = {index} }}'
    return f"""
[[doors]]
id = "{door.id}"
name = "{door.name}"
{strike}
strike_seconds = {door.strike_seconds}
held_open_seconds = {door.held_open_seconds}
dps = {{ chip = "gpiochip0", line = {index + _DPS_LINES_BEGIN} }}
{_mover_sections(door)}
[[doors.access_points]]
number = {door.access_point}
name = "{door.name}, inward"
fresh = {str(door.fresh).lower()}
"""


def _mover_sections(door: DeskDoor) -> str:
    """Return the lock of a door, or the strikes of one that has several.

    Chip and line are of no use on a desk, which finds a line by the id of its strike.
    """
    text = ""
    if door.lock is not None:
        text += f"""
[[doors.movers]]
kind = "zwave_lock"
id = "{door.id}-lock"
node = {door.lock}
"""
    for number, strike in enumerate(door.strikes):
        text += f"""
[[doors.movers]]
kind = "strike"
id = "{strike}"
chip = "{door.id}"
line = {number}
continuous = {str(door.continuous).lower()}
"""
    return text


def export(
    site: Site,
    hub: str,
    directory: Path,
    backend: str | None,
    time_zone: str,
) -> None:
    """Write what a real hub needs: its keys, as hubd.NAME for /etc/credstore, and config.toml.

    `backend` is the endpoint that the hub is to reach, None for a hub that decides alone. Raise
    FileExistsError for a directory that holds something, ValueError for an unknown hub, ConfigError
    for what the hub would refuse.
    """
    folder = site.hub_folder(hub)
    if directory.exists() and any(directory.iterdir()):
        raise FileExistsError(f"{directory} holds something already: name a new folder")
    keys = [key for key, file in FILE_OF_KEY.items() if (folder / file).exists()]
    pkoc = _pkoc_section(folder)
    if pkoc and "beacon" in keys:
        keys.remove("beacon")
    readers = list(readers_of(folder))
    text = _exported_config(
        site=site.name,
        hub=hub,
        keys=keys,
        doors=desk_doors(site.certificate(hub).access_points),
        backend=backend,
        time_zone=time_zone,
        readers=readers,
    )
    text += pkoc
    parse(text, directory / "config.toml", _CREDENTIALS)
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o700)
    keep_out_of_git(directory)
    for key in keys:
        content = (folder / FILE_OF_KEY[key]).read_bytes()
        write_private(directory / f"hubd.{key}", content)
    for reader in readers:
        content = reader.key_file(folder).read_bytes()
        write_private(directory / f"hubd.reader-{reader.id}", content)
    write_public(directory / "config.toml", text.encode())


def _exported_config(
    site: str,
    hub: str,
    keys: Sequence[str],
    doors: Sequence[DeskDoor],
    backend: str | None,
    time_zone: str,
    readers: Sequence[DeskReader],
) -> str:
    key_lines = "".join(f'{key} = "credential:{key}"\n' for key in keys)
    text = f"""# /etc/hubd/hubd.toml of hub {hub}.
# config/hubd.toml in the source says what else it may hold.
# Still to do: chip and line of each strike, as they are wired; gpiodetect and gpioinfo
# (apt install gpiod) show both.

[hub]
id = "{hub}"
site = "{site}"
time_zone = "{time_zone}"

[keys]
{key_lines}"""
    if backend is not None:
        text += f'\n[backend]\nendpoint = "{backend}"\n'
    for index, door in enumerate(doors):
        text += f"""
[[doors]]
id = "{door.id}"
name = "{door.name}"
strike = {{ chip = "CHANGE-ME", line = {index} }}

[[doors.access_points]]
number = {door.access_point}
name = "{door.name}, inwards"
"""
    for reader in readers:
        text += f"""
[[readers]]
kind = "osdp"
id = "{reader.id}"
access_point = {reader.access_point}
device = "/dev/serial/by-id/CHANGE-ME"
address = {reader.address}
key = "credential:reader-{reader.id}"
"""
    return text
