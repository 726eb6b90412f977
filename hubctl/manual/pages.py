"""The man pages: `python -m hubctl.manual.pages FOLDER CONFIG` writes them below FOLDER.

Laws:
1. Nothing is written twice: hubctl(1) has the words of the table and of click, hubd(8) those of
   `hubd --help`, and hubd.toml(5) those of CONFIG, the example that is installed.
2. No text is read as a request of roff, whatever it begins with.
3. A page says nothing of the machine that it was made on.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import click

from hubcore.timing.moment import show_seconds
from hubcore.version import BUILD_TIME, __version__
from hubctl.main import hubctl
from hubctl.options import with_shared
from hubctl.shell import site
from hubctl.shell.examples import OF_COMMAND, Example, lines_of
from hubctl.table import TABLE, Row
from hubterm.exits import STATUS_OF_CODE

HELP_SECONDS = 60
COLUMNS = "78"


def main() -> None:
    """Write each page below the folder that was named."""
    folder = Path(sys.argv[1])
    config = Path(sys.argv[2])
    for name, page in pages(config.read_text(encoding="utf-8"), help_of_hubd()).items():
        place = folder / f"man{name[-1]}" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(page, encoding="utf-8")


def help_of_hubd() -> str:
    """Ask the program hubd, which is beside this one."""
    command = [sys.executable, "-P", "-m", "hubd", "--help"]
    done = subprocess.run(
        command,
        check=True,
        capture_output=True,
        text=True,
        timeout=HELP_SECONDS,
        env={"COLUMNS": COLUMNS, "LC_ALL": "C.UTF-8"},
    )
    return done.stdout


def pages(config: str, hubd: str) -> dict[str, str]:
    """Return each page by the name of its file."""
    made = {
        "hubctl.1": _hubctl(),
        "hubd.8": _hubd(hubd),
        "hubd.toml.5": _config(config),
    }
    return {name: "\n".join(lines) + "\n" for name, lines in made.items()}


def _hubctl() -> Iterator[str]:
    yield from _head("hubctl", "1", "look at the access hub of this machine, and act on it")
    yield ".SH SYNOPSIS"
    yield ".B hubctl"
    yield text("NOUN [NAME] [VERB] [OPTIONS]")
    yield ".SH DESCRIPTION"
    yield text("Without a verb a command only looks. A verb acts, and never asks back.")
    yield from _commands("hubctl", TABLE, OF_COMMAND)
    yield ".SH A SITE"
    yield text("With --site first, at the bridge of a site: all of its hubs.")
    yield from _commands("hubctl --site", site.SITE, site.OF_COMMAND)
    yield ".SH EXIT STATUS"
    yield text("0: all is well, or done. 1: it is not well, or the hub says no.")
    yield text("2: a check of doctor failed. 64: the command line is wrong.")
    yield text("130: ended by Ctrl-C. Of errors, by their code:")
    yield from _literal(f"{status}  {code}" for code, status in STATUS_OF_CODE.items())
    yield ".SH ENVIRONMENT"
    yield text("HUBD_SOCKET names another socket than /run/hubd/hubd.sock.")
    yield from _see_also("hubd (8)", "hubd.toml (5)")


def _commands(
    program: str, table: Sequence[Row], examples: Mapping[str, Sequence[Example]]
) -> Iterator[str]:
    for section in dict.fromkeys(row.section for row in table):
        yield f".SH {text(_heading(program, section))}"
        for row in table:
            if row.section == section and not row.hidden:
                yield from _command(program, row, examples.get(row.words))


def _heading(program: str, section: str) -> str:
    _, _, option = program.partition(" ")
    return f"{option} {section}".strip().upper()


def _command(program: str, row: Row, examples: Sequence[Example] | None) -> Iterator[str]:
    command = with_shared(row.load())
    pieces = command.collect_usage_pieces(click.Context(command, info_name=row.words))
    yield f".SS {text(' '.join([program, row.words, *pieces]))}"
    for number, paragraph in enumerate(_paragraphs(command.help or row.says)):
        if number:
            yield ".PP"
        yield text(paragraph)
    context = click.Context(command, parent=click.Context(hubctl), info_name=row.words)
    for parameter in command.params:
        record = parameter.get_help_record(context)
        if record is not None and record[1]:
            yield ".TP"
            yield f".B {text(record[0])}"
            yield text(" ".join(record[1].split()))
    if examples is not None:
        yield ".PP"
        yield text("Examples:")
        yield from _literal(lines_of(examples))


def _paragraphs(said: str) -> list[str]:
    """Return the paragraphs of a text of click, each as one line."""
    return [" ".join(part.replace("\b", "").split()) for part in said.split("\n\n") if part.strip()]


def _hubd(said: str) -> Iterator[str]:
    yield from _head("hubd", "8", "the daemon of an access hub")
    yield ".SH USE"
    yield from _literal(said.splitlines())
    yield from _see_also("hubctl (1)", "hubd.toml (5)", "systemctl (1)")


def _config(config: str) -> Iterator[str]:
    yield from _head("hubd.toml", "5", "the settings of an access hub")
    yield ".SH FILE"
    yield text("/etc/hubd/hubd.toml")
    yield ".SH SETTINGS"
    yield text("The example that is installed names every setting.")
    yield from _literal(config.splitlines())
    yield from _see_also("hubctl (1)", "hubd (8)")


def _head(name: str, section: str, says: str) -> Iterator[str]:
    day = show_seconds(BUILD_TIME)[:10]
    yield f'.TH {name.upper()} {section} "{day}" "hubd {text(__version__)}"'
    yield ".SH NAME"
    yield f"{text(name)} \\- {text(says)}"


def _see_also(*others: str) -> Iterator[str]:
    yield ".SH SEE ALSO"
    for number, other in enumerate(others, 1):
        name, section = other.split()
        yield f".BR {text(name)} {section}{',' if number < len(others) else ''}"


def _literal(lines: Iterable[str]) -> Iterator[str]:
    """Show lines as they are."""
    yield ".nf"
    for line in lines:
        yield text(line) or "\\&"
    yield ".fi"


def text(line: str) -> str:
    """Return a line as text for roff, never as a request of it."""
    escaped = line.replace("\\", "\\e").replace("-", "\\-")
    escaped = escaped.replace("^", "\\(ha").replace("~", "\\(ti").replace("`", "\\(ga")
    return re.sub(r"^([.'])", r"\\&\1", escaped)


if __name__ == "__main__":
    main()
