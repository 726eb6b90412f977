"""`hubctl bench`: how fast this hub is, beside what an unlock needs.

Laws:
1. It takes some seconds, and hubd comes first: it is nice to it, and leaves room between two times.
2. No running hubd is needed, and none is asked.
3. What was not measured is said.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import click

from hubctl.answers import print_json
from hubctl.bench.timing import BUDGET_MS, Figure, unlock_ms, worst
from hubctl.options import JSON
from hubctl.page import Page, TextTable
from hubterm.progress import Progress
from hubterm.speaking import end_with_error
from hubterm.text import clean

STATE = Path("/var/lib/hubd")
CONFIG = Path("/etc/hubd/hubd.toml")
RSA_BITS = (2048, 3072, 4096)
RSA_BITS_DEFAULT = 3072
NICER = 15
STEPS = 7
"""How many figures there are."""
MEANS = {
    "rsa": "a new phone waits for it once; one that was here before does not",
    "rsa-key": "made every 50 minutes, while no phone waits for it",
    "aes": "each request and each answer",
    "ecdsa": "the grant, the phone and what it brought; three of them a new phone",
    "fsync": "the bare disk, without the database",
    "commit": "each decision is on the disk before the door moves",
    "bluez": "a request comes and an answer goes by it; the air is not measured",
}


@click.command()
@click.option(
    "--state",
    type=click.Path(path_type=Path),
    default=STATE,
    show_default=True,
    help="The state directory, on whose disk the evidence is.",
)
@click.option(
    "--rsa-bits",
    type=click.Choice([str(bits) for bits in RSA_BITS]),
    help=f"The size of an epoch key; without it that of the configuration, or {RSA_BITS_DEFAULT}.",
)
@click.option("--config", type=click.Path(path_type=Path), default=CONFIG, show_default=True)
@JSON
def bench(state: Path, rsa_bits: str | None, config: Path, as_json: bool) -> None:
    """Measure on this hub what an unlock needs: keys, disk, database, the way to BlueZ.

    It takes some seconds, needs no running hubd, and hinders none. Not measured: a phone and the
    air, and the strike. The exit status says that it was measured, and not how fast it is.
    """
    os.nice(NICER)
    figures: list[Figure] = []
    try:
        with Progress("figures measured", as_json=as_json) as shown:
            for figure in _measured(state, int(rsa_bits) if rsa_bits else bits_of(config)):
                figures.append(figure)
                shown.show(len(figures), STEPS)
    except PermissionError:
        end_with_error(
            "not-allowed",
            f"{clean(str(state))}: this user may not write there. Try: sudo hubctl bench",
            as_json,
        )
    except (OSError, sqlite3.Error) as error:
        why = clean(getattr(error, "strerror", None) or str(error))
        end_with_error(
            "unreadable",
            f"{clean(str(state))} cannot be measured: {why}. A hub has its evidence there; on "
            "another machine name a folder on the disk that you mean: hubctl bench --state .",
            as_json,
        )
    total = unlock_ms(figures)
    if as_json:
        print_json(_document(state, figures, total))
    else:
        _page(figures, total).show()


def bits_of(config: Path) -> int:
    """Return the size of the epoch keys that a configuration asks for."""
    from hubctl.gathering.asking import read_config

    with contextlib.suppress(OSError, ValueError):
        said, _ = read_config(config)
        match said.get("protocol"):
            case {"rsa_bits": int(bits)} if bits in RSA_BITS:
                return bits
    return RSA_BITS_DEFAULT


def _measured(state: Path, bits: int) -> Iterator[Figure]:
    """Yield each figure as it is there. Raise OSError, sqlite3.Error."""
    # what it needs takes long to load
    from hubctl.bench.radio import radio_steps
    from hubctl.bench.work import cipher_steps, disk_steps, folder_on, rsa_steps

    with folder_on(state) as folder:
        yield from disk_steps(folder)
    yield from cipher_steps()
    yield from rsa_steps(bits)
    yield from radio_steps()


def _document(state: Path, figures: list[Figure], total: float | None) -> dict[str, object]:
    return {
        "state_directory": clean(str(state)),
        "budget_ms": BUDGET_MS,
        "unlock_ms": None if total is None else round(total, 3),
        "worst": worst(figures),
        "figures": [figure.document() for figure in figures],
    }


def _page(figures: list[Figure], total: float | None) -> Page:
    rows: list[tuple[str, ...]] = []
    for figure in figures:
        rows.append(
            (
                figure.state if figure.each or figure.why else "-",
                figure.what,
                _ms(figure.median_ms),
                _ms(figure.p99_ms),
                figure.why or MEANS.get(figure.id, ""),
            )
        )
    header = ("", "what", "median ms", "p99 ms", "what it means")
    return Page(
        facts=[("an unlock", _sentence(total))], tables=[TextTable("figures", header, rows)]
    )


def _sentence(total: float | None) -> str:
    if total is None:
        return "not known: a step of it could not be measured"
    part = 100 * total / BUDGET_MS
    said = f"takes {total:.1f} ms of this hub with a new phone, {part:.0f} % of {BUDGET_MS:g} ms"
    return f"{said}; beside that the air, and the strike"


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
