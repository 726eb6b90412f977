"""Salt execution module: looks at the access hub of a minion and acts on it, through `hubctl`.

Copy it into `_modules` of your file roots; then `salt 'hub*' saltutil.sync_modules`. The page
`docs/salt.md` has the commands. It needs no library and runs on the Python that Salt brings.

Laws:
1. It speaks to the hub through `hubctl --json` alone, and no shell reads what it is given.
2. Every call has an end, and what hubctl prints has a ceiling.
3. What is not one document of the known schema is an error, never a result.
4. It passes on nothing of people: no credential goes in, no record comes out.
5. A result that says that something is wrong sets Salt's retcode to 1. No answer is an error.

Settings, all of them absolute paths, in the minion's configuration:

    hubd.hubctl: /usr/bin/hubctl
    hubd.socket: another socket than hubctl's own
    hubd.audit: another log of evidence than hubctl's own
"""

from __future__ import annotations

import json
import os
import re
import selectors
import signal
import subprocess
import time

from salt.exceptions import CommandExecutionError, SaltInvocationError

__virtualname__ = "hubd"

HUBCTL = "/usr/bin/hubctl"
SCHEMA = 1
OUTPUT_BYTES_MAX = 512 * 1024
"""Of the document; it must fit into an event of Salt's (`max_event_size`, 1 MiB by default)."""
SENTENCE_CHARACTERS_MAX = 500
TIMEOUT_SECONDS = 90
"""hubctl waits 40 s for a place, then 40 s for an answer."""
VERIFY_SECONDS = 600
TIMEOUT_SECONDS_MAX = 6 * 3600
_READ_BYTES = 64 * 1024
_READER = re.compile(r"[a-z0-9-]{1,32}")
_HEAD = re.compile(r"[1-9][0-9]{0,17}:[0-9a-fA-F]{64}", re.ASCII)
_PROBLEM = 1
_WITHOUT_ANSWER = (_PROBLEM, 64, 66, 69, 75, 76, 77)
"""What hubctl ends with where its document says why there is no answer."""
_ELSE = {
    70: "hubctl has a bug: run it by hand on the hub, and report its traceback",
    74: "hubctl could not write its answer",
    130: "hubctl was interrupted",
    141: "hubctl could not write its answer",
}
"""What the other exit statuses mean (`docs/hubctl.md`). They say nothing of the hub."""


def __virtual__():
    """Say why this module cannot be used on this minion."""
    try:
        path = _setting("hubd.hubctl", HUBCTL)
    except CommandExecutionError as error:
        return False, str(error)
    if not os.path.isfile(path):
        return False, f"there is no hubctl at {path}: is this minion a hub? Set hubd.hubctl"
    if not os.access(path, os.X_OK):
        return False, f"{path} cannot be run by the user of this minion"
    return __virtualname__


def status(timeout=TIMEOUT_SECONDS):
    """Return how the hub is: problems, radio, backend, records, clock, doors, devices, counters.

    The retcode is 1 while a problem of severity `error` stands.

    CLI Example:

    .. code-block:: bash

        salt 'hub*' hubd.status
    """
    return _ask(["status"], timeout)


def problems(timeout=TIMEOUT_SECONDS):
    """Return what is wrong and what to do, as a list; empty if nothing is.

    The retcode is 1 while a problem of severity `error` stands.

    CLI Example:

    .. code-block:: bash

        salt 'hub*' hubd.problems
    """
    return _part(_ask(["status"], timeout), "problems", list)


def ready(timeout=TIMEOUT_SECONDS):
    """Return whether the hub does its work: True or False.

    CLI Example:

    .. code-block:: bash

        salt 'hub*' hubd.ready
    """
    return _part(_ask(["status"], timeout), "ready", bool)


def doors(timeout=TIMEOUT_SECONDS):
    """Return the doors and the ways through them.

    CLI Example:

    .. code-block:: bash

        salt 'hub*' hubd.doors
    """
    return _part(_ask(["doors"], timeout), "doors", list)


def devices(timeout=TIMEOUT_SECONDS):
    """Return the devices: how each stands, its readings, what is wrong with it.

    CLI Example:

    .. code-block:: bash

        salt 'hub*' hubd.devices
    """
    return _part(_ask(["devices"], timeout), "devices", list)


def audit_verify(head=None, timeout=VERIFY_SECONDS):
    """Check every record of the evidence; needs no running hubd. Return hubctl's document.

    The retcode is 1 when the chain is broken; `why` says where.

    head
        A head noted earlier, NUMBER:HASH. The chain must still hold that record.

    CLI Example:

    .. code-block:: bash

        salt 'hub*' hubd.audit_verify timeout=3600
    """
    words = ["audit", "verify"]
    if head is not None:
        words += ["--head", _matching(_HEAD, head, "head", "NUMBER:HASH")]
    return _ask(words, timeout)


def trust_clock(timeout=TIMEOUT_SECONDS):
    """Say that the clock is right now, after it was wrong. It leaves one record.

    The retcode is 1 when the clock is still not trusted.

    CLI Example:

    .. code-block:: bash

        salt hub-17 hubd.trust_clock
    """
    return _ask(["clock", "trust"], timeout)


def accept_state(timeout=TIMEOUT_SECONDS):
    """Say that policy and log on the disk are right, after one was lost. It leaves one record.

    CLI Example:

    .. code-block:: bash

        salt hub-17 hubd.accept_state
    """
    return _ask(["state", "accept"], timeout)


def passback_reset(timeout=TIMEOUT_SECONDS):
    """Forget where everybody is, so that anti-passback keeps nobody out. It leaves one record.

    It takes no credential: Salt keeps the arguments of a job, and they would name a person.

    CLI Example:

    .. code-block:: bash

        salt hub-17 hubd.passback_reset
    """
    return _ask(["passback", "reset"], timeout)


def reader_install(name, timeout=TIMEOUT_SECONDS):
    """Give a new reader the key of its `[[readers]]`. It leaves records.

    The key goes over the reader's public default key: whoever listens on the line learns it.

    name
        The `id` of the reader in `[[readers]]`.

    CLI Example:

    .. code-block:: bash

        salt hub-17 hubd.reader_install front
    """
    return _ask(["reader", "install"], timeout, _matching(_READER, name, "name", "a-z, 0-9, -"))


def reader_change_key(name, timeout=TIMEOUT_SECONDS):
    """Give a reader the `next_key` of its `[[readers]]`. It leaves records.

    name
        The `id` of the reader in `[[readers]]`.

    CLI Example:

    .. code-block:: bash

        salt hub-17 hubd.reader_change_key front
    """
    return _ask(["reader", "change-key"], timeout, _matching(_READER, name, "name", "a-z, 0-9, -"))


def _ask(words, timeout, *operands):
    """Run one command of hubctl; return its document. Raise an error of Salt's."""
    seconds = _seconds(timeout)
    command = [_setting("hubd.hubctl", HUBCTL), *words, "--json"]
    for option, setting in (("--socket", "hubd.socket"), ("--file", "hubd.audit")):
        path = _setting(setting, "")
        if path and (option == "--file") == (words[0] == "audit"):
            command += [option, path]
    status, output = _run([*command, "--", *operands], seconds)
    return _judged(" ".join(words), status, output)


def _judged(what, status, output):
    """Return the document, or raise the error that the exit status and the output mean."""
    if status < 0:
        raise CommandExecutionError(f"hubctl {what} was ended by signal {-status}")
    if status not in (0, *_WITHOUT_ANSWER):
        raise CommandExecutionError(
            f"hubctl {what}: {_ELSE.get(status, f'exit status {status} is unknown')}"
        )
    try:
        document = json.loads(output.decode("utf-8"), parse_constant=_refused)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise CommandExecutionError(
            f"hubctl {what} gave no document of schema {SCHEMA} (exit status {status}): "
            "is this module of the same version as hubctl?"
        )
    if status > _PROBLEM or "error" in document:
        raise CommandExecutionError(_why(what, document))
    if status == _PROBLEM:
        __context__["retcode"] = _PROBLEM  # noqa: F821 (Salt gives it)
    return document


def _why(what, document):
    """Return the sentence of a document that says why there is no answer."""
    error = document.get("error")
    code = error.get("code") if isinstance(error, dict) else None
    message = error.get("message") if isinstance(error, dict) else None
    if not isinstance(code, str) or not isinstance(message, str):
        return f"hubctl {what} gave no answer and did not say why"
    shown = "".join(character if character.isprintable() else "?" for character in message)
    return f"hubctl {what}: {shown[:SENTENCE_CHARACTERS_MAX]} ({code[:32]!r})"


def _run(command, seconds):
    """Return exit status and what it said. Whatever ends it, nothing of it runs on."""
    ends = time.monotonic() + seconds
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,  # an answer, or why there is none: never both
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"},
            start_new_session=True,
        )
    except OSError as error:
        raise CommandExecutionError(f"hubctl cannot be run: {error.strerror}") from error
    try:
        output = _read(process.stdout, ends)
        return process.wait(max(0.0, ends - time.monotonic())), output
    except (TimeoutError, subprocess.TimeoutExpired) as error:
        raise CommandExecutionError(
            f"hubctl did not end within {seconds} s; it was stopped"
        ) from error
    finally:
        _end(process)


def _read(pipe, ends):
    """Return all that comes before the pipe's end. Raise TimeoutError, or an error of Salt's."""
    output = bytearray()
    with selectors.DefaultSelector() as waiting:
        waiting.register(pipe, selectors.EVENT_READ)
        while True:
            if not waiting.select(max(0.0, ends - time.monotonic())):
                raise TimeoutError
            more = os.read(pipe.fileno(), _READ_BYTES)
            if not more:
                return bytes(output)
            output += more
            if len(output) > OUTPUT_BYTES_MAX:
                raise CommandExecutionError(f"hubctl said more than {OUTPUT_BYTES_MAX} bytes")


def _end(process):
    """End hubctl and what it started, unless its end was seen already."""
    if process.returncode is None:  # so its number is still its own
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()
    process.stdout.close()


def _part(document, key, kind):
    """Return one part of a document. Raise an error of Salt's when it is not of its kind."""
    part = document.get(key)
    if not isinstance(part, kind):
        raise CommandExecutionError(
            f"hubctl's document has no {key}: is this module of the same version as hubctl?"
        )
    return part


def _seconds(timeout):
    whole = isinstance(timeout, int) and not isinstance(timeout, bool)
    if not whole or not 1 <= timeout <= TIMEOUT_SECONDS_MAX:
        raise SaltInvocationError(f"timeout is a whole number from 1 to {TIMEOUT_SECONDS_MAX} s")
    return timeout


def _matching(pattern, value, name, form):
    """Return an argument that has its form. The error does not repeat it."""
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise SaltInvocationError(f"{name} must be of the form {form}")
    return value


def _setting(name, default):
    """Return a path of the minion's configuration."""
    path = __opts__.get(name, default)  # noqa: F821 (Salt gives it)
    if path != default and not (isinstance(path, str) and os.path.isabs(path)):
        raise CommandExecutionError(f"{name} of the minion's configuration is no absolute path")
    return path


def _refused(constant):
    raise ValueError(constant)
