"""The panel's talk with one reader: proven or not, lost, tried again.

How it works. An attempt begins with libosdp's first command and ends in one of three ways. The
secure channel stands: the reader is PROVEN. It answered, but the channel did not come to stand in
TRY_SECONDS: NOT_PROVEN. It did not answer at all: GONE. After a failed attempt the reader rests,
each time a little longer. libosdp's own pause of 300 s never begins: at rest its panel is disabled.

Laws:
1. Cards and keys are told only while the secure channel stands. Others are dropped. After more than
   GAP_SECONDS without a channel so are those of its first SETTLE_SECONDS: the reader may have kept
   them since it was lost.
2. A proven reader that is lost is tried again at once. When it has not been proven again within
   DOUBT_SECONDS, the loss is told. Short gaps and noise are not told.
3. With two keys the attempts take turns. No key is dropped untried.
4. Light and sound are asked only of a reader that has said it has them: libosdp ends the session of
   one that refuses a command.
5. Over the public default key (SCBK-D) goes one thing: the reader's own key, in an install command.
   Cards and keys are told only of a reader that has proven itself with that key afterwards.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from drivers.osdp.library import (
    BUZZER_ABILITY,
    LED_ABILITY,
    LOCAL_STATUS,
    CommandKind,
    Event,
    EventKind,
    Library,
    NoticeKind,
    Panel,
)
from drivers.osdp.line import ReaderChannel, SerialLine
from drivers.osdp.messages import LOOKS, buzzer, card_of, keys_of, led
from drivers.osdp.wire.orders import AddReader
from drivers.osdp.wire.reports import KeyChanged, ReaderState, Report, StatusBits
from hubcore.ports.reader import Sign

ANSWER_SECONDS = 0.25
"""A reader that has not answered the first command by then is not there."""
TRY_SECONDS = 2.0
DOUBT_SECONDS = 5.0
DOUBT_PAUSE_SECONDS = 0.5
AGAIN_SECONDS = 0.1
FIRST_PAUSE_SECONDS = 2.0
LAST_PAUSE_SECONDS = 5.0
PAUSE_GROWTH = 1.5
STATUS_SECONDS = 1.0
"""A session that ends so soon after the status was asked for was ended by the question."""
GAP_SECONDS = 1.0
SETTLE_SECONDS = 0.5
CHANGE_SECONDS = 15.0
KEYSET_SECONDS = 1.0
"""For so long an installing panel has a secure channel: libosdp sends KEYSET by itself."""
EVENTS_MAX = 64


class Phase(Enum):
    """What goes on with the reader."""

    RESTING = "resting"
    TRYING = "trying"
    PROVEN = "proven"


@dataclass(slots=True)
class _Change:
    """A change of key under way, until when it must be done, and whether KEYSET was obeyed."""

    key: bytes = field(repr=False)
    until: float
    sent: bool = False
    installing: Panel | None = None
    """The panel that gives the key over the public default key, while it does."""
    secure_at: float | None = None
    """When that one had a secure channel first."""


class ReaderSession:
    """One reader (`line.Speaker`)."""

    def __init__(
        self,
        library: Library,
        reader: AddReader,
        line: SerialLine,
        report: Callable[[Report], None],
    ) -> None:
        self.channel = ReaderChannel(line, reader.address)
        self.number = reader.number
        self.state = ReaderState.UNKNOWN
        self.bits = StatusBits.NONE
        self._library = library
        self._report = report
        self._keys = list(reader.keys)
        self._key = 0
        self._phase = Phase.RESTING
        self._began = 0.0
        self._try_at = 0.0
        self._heard_at = 0.0
        self._settled_at = 0.0
        self._pause_seconds = FIRST_PAUSE_SECONDS
        self._events: deque[Event] = deque(maxlen=EVENTS_MAX)
        self._off_line = False
        self._asks_status = True
        self._asked_status_at: float | None = None
        self._change: _Change | None = None
        self._panels = [self._new_panel(key) for key in self._keys]
        self._panel = self._panels[0]

    def step(self, now: float) -> None:
        """Move libosdp on by a step and see what became of the reader."""
        self._panel.refresh()
        secure = self._is_secure()
        self._drain(now, secure)
        match self._phase:
            case Phase.RESTING:
                self._rest(now)
            case Phase.TRYING:
                self._try(now, secure)
            case Phase.PROVEN:
                self._watch(now, secure)
        change = self._change
        if change is not None and now >= change.until:
            self._end_change(done=False)

    def line_lost(self, now: float) -> None:
        """See `line.Speaker.line_lost`."""
        self.state = ReaderState.LINE_GONE
        self._rest_until(now)

    def show(self, sign: Sign) -> None:
        """Show a sign for a moment, as far as the reader can. One that is not proven shows none."""
        if self._phase is not Phase.PROVEN:
            return
        look = LOOKS[sign]
        if self._can(LED_ABILITY):
            self._panel.submit_command(0, led(look))
        if look.beeps and self._can(BUZZER_ABILITY):
            self._panel.submit_command(0, buzzer(look))

    def change_key(self, key: bytes, now: float) -> None:
        """Have a proven reader take a new key; tells KeyChanged in the end."""
        if self._phase is not Phase.PROVEN or self._change is not None:
            self._report(KeyChanged(self.number, done=False))
            return
        command = {"command": int(CommandKind.KEYSET), "type": 1, "data": key}
        if not self._panel.submit_command(0, command):
            self._report(KeyChanged(self.number, done=False))
            return
        self._keys = [self._keys[self._key], key]
        self._panels = [self._panel, self._new_panel(key)]
        self._key = 0
        self._change = _Change(key, until=now + CHANGE_SECONDS)

    def install_key(self, now: float) -> None:
        """Give its first key to a reader that has the public default key; tells KeyChanged."""
        if self._phase is Phase.PROVEN or self._change is not None:
            self._report(KeyChanged(self.number, done=False))
            return
        key = self._keys[0]
        self._panel.disable_pd(0)
        self._panel = self._library.installing_panel(
            address=self.channel.address,
            key=key,
            channel=self.channel,
            told=self._events.append,
        )
        self._change = _Change(key, until=now + CHANGE_SECONDS, installing=self._panel)
        self._rest_until(now)

    def _rest(self, now: float) -> None:
        """Begin the next attempt when it is time and libosdp has come to rest."""
        if self._panel.is_pd_enabled(0):
            self._panel.disable_pd(0)
            return
        if now < self._try_at:
            return
        self.channel.flush()
        self._panel.enable_pd(0)
        self._try_for(now)

    def _try_for(self, now: float) -> None:
        self.channel.begin()
        self._off_line = False
        self._phase = Phase.TRYING
        self._began = now

    def _try(self, now: float, secure: bool) -> None:
        if self._change is not None and self._change.installing is not None:
            self._install(self._change, now, secure)
            return
        if secure:
            self._proven(now)
            return
        answered = self.channel.answered_at is not None
        asked_at = self.channel.asked_at
        unheard = not answered and asked_at is not None and now - asked_at >= ANSWER_SECONDS
        if unheard:
            self._failed(ReaderState.GONE, now)
        elif self._off_line or now - self._began >= TRY_SECONDS:
            self._failed(ReaderState.NOT_PROVEN if answered else ReaderState.GONE, now)

    def _install(self, change: _Change, now: float, secure: bool) -> None:
        """Let libosdp give the key, then have the reader prove itself with it."""
        if change.secure_at is None and secure:
            change.secure_at = now
        if change.secure_at is not None and now - change.secure_at >= KEYSET_SECONDS:
            change.installing = None
            change.sent = True
            self._take_key(0)
            self._rest_until(now + AGAIN_SECONDS)
        elif self._off_line or now - self._began >= TRY_SECONDS + KEYSET_SECONDS:
            self._rest_until(now + DOUBT_PAUSE_SECONDS)

    def _failed(self, state: ReaderState, now: float) -> None:
        """An attempt has failed: rest, and take the other key the next time where there is one."""
        in_doubt = self.state is ReaderState.PROVEN and now - self._heard_at < DOUBT_SECONDS
        if not in_doubt:
            self.state = state
        if state is ReaderState.NOT_PROVEN and len(self._keys) > 1:
            self._take_key(1 - self._key)
            if self._key == 1:  # the second key follows the first without a rest
                self._rest_until(now + AGAIN_SECONDS)
                return
        if in_doubt:
            self._rest_until(now + DOUBT_PAUSE_SECONDS)
            return
        self._rest_until(now + self._pause_seconds)
        self._pause_seconds = min(self._pause_seconds * PAUSE_GROWTH, LAST_PAUSE_SECONDS)

    def _proven(self, now: float) -> None:
        self._phase = Phase.PROVEN
        if now - self._heard_at > GAP_SECONDS:
            self._settled_at = now + SETTLE_SECONDS
        self._heard_at = now
        self._pause_seconds = FIRST_PAUSE_SECONDS
        self.state = ReaderState.PROVEN
        self.bits &= ~StatusBits.SECOND_KEY
        if self._key == 1:
            self.bits |= StatusBits.SECOND_KEY
        if self._change is not None and self._change.sent:
            self._end_change(done=self._keys[self._key] == self._change.key)
        self._asked_status_at = None
        if self._asks_status:
            command = {"command": int(CommandKind.STATUS), "type": LOCAL_STATUS}
            self._panel.submit_command(0, command)
            self._asked_status_at = now

    def _watch(self, now: float, secure: bool) -> None:
        """See whether a proven reader is still there."""
        if not secure:
            self._doubt(now)
            return
        self._heard_at = now

    def _doubt(self, now: float) -> None:
        """The secure channel has ended: try again at once."""
        asked_at = self._asked_status_at
        if asked_at is not None and now - asked_at < STATUS_SECONDS and self._change is None:
            self._asks_status = False
        if self._change is not None and not self._change.sent:
            self._change.sent = True
            self._take_key(1)
            self._rest_until(now)
        elif self._off_line:
            self._rest_until(now + AGAIN_SECONDS)
        else:
            self._try_for(now)  # libosdp begins again by itself

    def _rest_until(self, moment: float) -> None:
        self.channel.refusing = True
        self._phase = Phase.RESTING
        self._try_at = moment
        self._panel.disable_pd(0)

    def _take_key(self, number: int) -> None:
        self._key = number
        self._panel = self._panels[number]

    def _new_panel(self, key: bytes) -> Panel:
        return self._library.panel(
            address=self.channel.address,
            key=key,
            channel=self.channel,
            told=self._events.append,
        )

    def _end_change(self, *, done: bool) -> None:
        if self._change is not None and self._change.installing is not None:
            self._take_key(0)
            self._rest_until(self._try_at)
        self._change = None
        if done:
            self._keys = [self._keys[self._key]]
            self._panels = [self._panel]
            self._key = 0
            self.bits &= ~StatusBits.SECOND_KEY
        self._report(KeyChanged(self.number, done))

    def _is_secure(self) -> bool:
        return bool(self._panel.sc_status() & 1)

    def _can(self, ability: int) -> bool:
        level, _items = self._panel.check_capability(0, ability)
        return level > 0

    def _drain(self, now: float, secure: bool) -> None:
        """Report what libosdp told."""
        while self._events:
            event = self._events.popleft()
            kind = event.get("event")
            if kind == EventKind.NOTICE:
                self._note(event)
            elif secure and self._phase is Phase.PROVEN:
                self._tell(kind, event, now)

    def _note(self, event: Event) -> None:
        if event.get("type") == NoticeKind.ON_LINE:
            self._off_line = not event.get("arg0")

    def _tell(self, kind: object, event: Event, now: float) -> None:
        if kind in (EventKind.CARD, EventKind.KEYS) and now < self._settled_at:
            return
        if kind == EventKind.CARD:
            card = card_of(self.number, event, now)
            if card is not None:
                self._report(card)
        elif kind == EventKind.KEYS:
            for keys in keys_of(self.number, event, now):
                self._report(keys)
        elif kind == EventKind.STATUS and event.get("type") == LOCAL_STATUS:
            report = event.get("report", b"")
            if len(report) == 2:
                self._take_status(tampered=bool(report[0]), no_power=bool(report[1]))

    def _take_status(self, *, tampered: bool, no_power: bool) -> None:
        bits = self.bits & StatusBits.SECOND_KEY | StatusBits.TOLD
        if tampered:
            bits |= StatusBits.TAMPERED
        if no_power:
            bits |= StatusBits.NO_POWER
        self.bits = bits
        self._asked_status_at = None
