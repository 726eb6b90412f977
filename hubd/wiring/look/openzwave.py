"""What OpenZWave needs on this machine: its library, its description of devices, its key.

Law: the library is looked for and never loaded. It may abort.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.util import find_spec

from hubcore.checks import CheckId
from hubd.adapters.keys.networkkey import read_network_key
from hubd.config.file import Config
from hubd.wiring.look.finding import Finding, fact, found
from hubd.wiring.look.world import World

MODULE = "libopenzwave"
ITS_NEED = "pkg_resources"
"""What the binding imports, of a setuptools before 81."""
DESCRIPTION = "etc/openzwave/device_classes.xml"
"""A file of Debian's libopenzwave1.6, below the root."""
ABOUT = "openzwave"


def look(
    config: Config,
    world: World,
    is_installed: Callable[[str], bool] = lambda module: find_spec(module) is not None,
) -> Iterator[Finding]:
    """Yield what is found, nothing where no [openzwave] is configured."""
    if config.openzwave is None:
        return
    if not is_installed(MODULE):
        missing = "the Python package python-openzwave"
        yield found(CheckId.OPENZWAVE_MISSING, ABOUT, missing=missing)
    elif not is_installed(ITS_NEED):
        yield found(CheckId.OPENZWAVE_MISSING, ABOUT, missing="setuptools before version 81")
    elif not (world.root / DESCRIPTION).is_file():
        missing = "/etc/openzwave of the Debian package libopenzwave1.6"
        yield found(CheckId.OPENZWAVE_MISSING, ABOUT, missing=missing)
    else:
        yield fact(ABOUT, "its library is installed")
    key = config.openzwave.network_key
    try:
        read_network_key(key)
    except (OSError, ValueError) as error:
        place = key.place if key is not None else ""
        why = str(error) if isinstance(error, ValueError) else f"{place}: {error.strerror}"
        yield found(CheckId.OPENZWAVE_KEY, ABOUT, why=why)
