"""The policy as a signed document: a versioned snapshot that any carrier may bring to a hub.

How it is made: the issuer signs a root. The root has the small parts of the policy, and the hash of
the tree of each large table (`hubcore.policy.tree`). A document is a CBOR sequence (RFC 8742): the
root, then any pieces of its trees that the carrier brings along, each a byte string. What does not
come along is asked for by its hash.

Laws:
1. A policy is whole or it is nothing.
2. A hub only ever goes to a higher version.
3. It is signed by the site's issuer, so whoever carries it (backend, bridge, a technician's stick)
   cannot change it.
4. Nothing inside it is read before its signature has been checked: `prove` gives site, version and
   date. Its lists are not read before its version is known to be wanted: `Proven.root` gives them.
5. What is read has the shape of docs/protocol.cddl and no other. It is read item by item: a root
   of four megabytes is never in memory as a tree, and other threads run meanwhile.
6. A piece is taken under its hash alone (`hubcore.policy.assembly`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from hubcore.calendar import codec as schedule_codec
from hubcore.calendar.schedule import Schedule
from hubcore.codec import cbor, cose, cwt
from hubcore.codec.cbor import Cursor
from hubcore.codec.cose import SigningKey, VerifyKey
from hubcore.errors import FrameError, ProofError, SignatureError
from hubcore.policy.assembly import Assembly
from hubcore.policy.lists import Label, Lists
from hubcore.policy.policy import Policy
from hubcore.policy.root import Root, RootHead
from hubcore.policy.rows import NUMBER_MAX, write_operator, write_point
from hubcore.policy.tables import Gathered, content_of
from hubcore.policy.tree import PIECE_BYTES, Grown, Table, grow, names_of, rows_of

TYPE = "application/hub-policy+cwt"
MAX_BYTES = 4 * 1024 * 1024
"""Of a document: the root, with the pieces that come along."""
ALONG_MAX = 1024
"""Pieces that a hub takes along with a root. 4 MiB of full ones are some 140; nobody has signed how
many there are."""


@dataclass(frozen=True, slots=True)
class Proven:
    """A document whose signature holds and whose lists are not read yet."""

    head: RootHead
    _data: bytes = field(repr=False)
    _payload: bytes = field(repr=False)
    _begin: int
    """Where in the payload the lists begin."""

    @property
    def version(self) -> int:
        """The version."""
        return self.head.version

    def root(self) -> Root:
        """Read the root.

        Raise SignatureError when its lists have another shape than a policy's.
        """
        try:
            return Lists(Cursor(self._payload, self._begin)).read(self.head)
        except (FrameError, ValueError) as error:
            raise SignatureError(f"policy {self.version}: {error}") from error

    def pieces(self) -> Iterator[bytes]:
        """Yield the pieces that came along, as they are. Raise SignatureError.

        No more than ALONG_MAX, where the document is one that a hub may read.
        """
        cursor = Cursor(self._data, len(self.head.document))
        count = 0
        while cursor.at < len(self._data):
            count += 1
            if count > ALONG_MAX and len(self._data) <= MAX_BYTES:
                raise SignatureError(f"policy {self.version}: over {ALONG_MAX} pieces come along")
            try:
                yield cursor.string(1, PIECE_BYTES)
            except FrameError as error:
                raise SignatureError(f"policy {self.version}: {error}") from error

    def read(self) -> Policy:
        """Read the whole.

        Raise SignatureError when anything has another shape, or when pieces did not come along.
        """
        root = self.root()
        assembly = Assembly(root.trees, lambda _table, _piece, _name: False)
        brought = list(self.pieces())
        gathered = Gathered()
        try:
            while names := assembly.ask(len(brought)):
                if not _take_all(assembly, brought, root, gathered):
                    raise SignatureError(
                        f"policy {self.version}: {len(names)} of its pieces or more did not come"
                    )
        except (FrameError, ValueError) as error:
            raise SignatureError(f"policy {self.version}: {error}") from error
        if not assembly.complete:
            raise SignatureError(f"policy {self.version}: its pieces did not come along")
        return _whole(root, gathered)

    def check_whole(self) -> None:
        """Raise SignatureError unless all pieces came along. No row is read."""
        assembly = Assembly(self.root().trees, lambda _table, _piece, _name: False)
        brought = list(self.pieces())
        taken = 1
        while taken and assembly.ask(len(brought) + 1):
            taken = sum(assembly.take(piece) is not None for piece in brought)
        if not assembly.complete:
            raise SignatureError(f"policy {self.version}: not all of its pieces came along")


def _take_all(assembly: Assembly, pieces: list[bytes], root: Root, gathered: Gathered) -> bool:
    """Take what is wanted of the pieces; tell whether there was any."""
    before = assembly.waiting
    for piece in pieces:
        for arrived in assembly.take(piece) or ():
            tree = root.trees[arrived.table]
            first = arrived.piece * tree.pages_a_piece
            for key, row in rows_of(arrived.pages, tree, first):
                gathered.add(arrived.table, key, row)
    return assembly.waiting < before


def _whole(root: Root, gathered: Gathered) -> Policy:
    return Policy(
        site=root.site,
        version=root.version,
        issued_at=root.head.issued_at,
        revoked_credentials=frozenset(gathered.names[Table.CREDENTIALS]),
        revoked_grants=frozenset(gathered.grants),
        schedules=root.schedules,
        modes=root.modes,
        disabled=frozenset(gathered.names[Table.DISABLED]),
        extended_time=frozenset(gathered.names[Table.EXTENDED_TIME]),
        cards=gathered.cards,
        points=root.points,
        operators=root.operators,
        groups=root.groups,
    )


@dataclass(frozen=True, slots=True)
class Brought:
    """A document that was split, and nothing of it proven.

    `digest` is that of the root (`RootHead`). `pieces` are those that came along, by name.
    """

    root: bytes
    digest: bytes
    pieces: Mapping[bytes, bytes]


def split(data: bytes) -> Brought:
    """Split a document, for a carrier. Raise FrameError for anything else."""
    cursor = Cursor(data)
    signed = cose.pass_sign1(cursor, len(data))
    root = data[: cursor.at]
    pieces: dict[bytes, bytes] = {}
    while cursor.at < len(data):
        piece = cursor.string(1, PIECE_BYTES)
        pieces.update((name, piece) for name in names_of(piece))
    return Brought(root, sha256(signed.payload).digest(), pieces)


@dataclass(frozen=True, slots=True)
class Issued:
    """A signed root and all pieces of its trees, by name."""

    root: bytes
    pieces: Mapping[bytes, bytes]

    def bundle(self) -> bytes:
        """Return the document that brings everything along."""
        return b"".join((self.root, *(cbor.encode(piece) for piece in self.pieces.values())))


def issue(policy: Policy, issuer: SigningKey) -> bytes:
    """Return the whole as one document: a root of type `application/hub-policy+cwt`, and pieces."""
    return issue_tree(policy, issuer).bundle()


def issue_tree(policy: Policy, issuer: SigningKey) -> Issued:
    """Return the signed root and the pieces. Raise ValueError for rows that no tree can hold."""
    grown = {table: grow(content) for table, content in content_of(policy).items()}
    root = cwt.issue(TYPE, _claims(policy, grown), issuer, issuer.verify_key.kid)
    pieces: dict[bytes, bytes] = {}
    for one in grown.values():
        if one is not None:
            pieces.update(one.pieces)
    return Issued(root, pieces)


def _claims(policy: Policy, grown: Mapping[Table, Grown | None]) -> dict[int, Any]:
    groups = _number_special_days(policy)
    schedules = {
        number: _write_schedule(schedule, groups) for number, schedule in policy.schedules.items()
    }
    operators = sorted(policy.operators.items(), key=lambda item: item[0].encode())
    claims = {
        Label.ISS: policy.site,
        Label.IAT: policy.issued_at,
        Label.VERSION: policy.version,
        Label.CREDENTIALS: _write_tree(grown[Table.CREDENTIALS]),
        Label.GRANTS: _write_tree(grown[Table.GRANTS]),
        Label.SCHEDULES: schedules,
        Label.MODES: {point: int(mode) for point, mode in policy.modes.items()},
        Label.SPECIAL_DAYS: {number: sorted(days) for days, number in groups.items()},
        Label.DISABLED: _write_tree(grown[Table.DISABLED]),
        Label.EXTENDED_TIME: _write_tree(grown[Table.EXTENDED_TIME]),
        Label.CARDS: _write_tree(grown[Table.CARDS]),
        Label.POINTS: {point: write_point(rules) for point, rules in policy.points.items()},
        Label.OPERATORS: [[name, write_operator(operator)] for name, operator in operators],
        Label.GROUPS: {number: list(devices) for number, devices in policy.groups.items()},
    }
    return {int(label): value for label, value in claims.items()}


def _write_tree(grown: Grown | None) -> list[Any] | None:
    return None if grown is None else [grown.tree.bits, grown.tree.hash]


def _number_special_days(policy: Policy) -> dict[frozenset[int], int]:
    """Number the groups of special days that schedules name, each once."""
    groups: dict[frozenset[int], int] = {}
    for schedule in policy.schedules.values():
        for special in schedule.special:
            groups.setdefault(special.days, len(groups))
    return groups


def _write_schedule(schedule: Schedule, groups: Mapping[frozenset[int], int]) -> list[Any]:
    rules = [schedule_codec.write_rule(rule) for rule in schedule.rules]
    special = [[groups[one.days], [list(span) for span in one.spans]] for one in schedule.special]
    return [rules, special]


def prove(data: bytes, issuer: VerifyKey, site: str) -> Proven:
    """Check the signature of a policy for `site` and read its version. Raise SignatureError."""
    if len(data) > MAX_BYTES:
        raise SignatureError(f"policy: over {MAX_BYTES} bytes")
    return _prove(data, issuer, site)


def _prove(data: bytes, issuer: VerifyKey, site: str) -> Proven:
    try:
        outer = Cursor(data)
        signed = cose.pass_sign1(outer, MAX_BYTES)
        payload = cwt.verify(TYPE, signed, issuer, issuer.kid)
        cursor = Cursor(payload)
        if cursor.map() != len(Label):
            raise SignatureError("policy: its claims are not exactly those of a policy")
        cursor.key(Label.ISS)
        policy_site = cursor.text(1, cwt.NAME_BYTES)
        cursor.key(Label.IAT)
        issued_at = cursor.uint(NUMBER_MAX)
        cursor.key(Label.VERSION)
        version = cursor.uint(NUMBER_MAX)
    except (ProofError, FrameError) as error:
        raise SignatureError(f"policy: {error}") from error
    if policy_site != site:
        raise SignatureError("policy: for another site")
    if version == 0:
        raise SignatureError("policy: versions begin with 1")
    head = RootHead(
        site=site,
        version=version,
        issued_at=issued_at,
        digest=sha256(payload).digest(),
        document=data[: outer.at],
    )
    return Proven(head, data, payload, cursor.at)


def read(data: bytes, issuer: VerifyKey, site: str) -> Policy:
    """Verify and read a policy for `site`, with all its pieces; a store judges its version.

    It may be of any length, for it is not a hub's to read. Raise SignatureError.
    """
    return _prove(data, issuer, site).read()


def version_of(data: bytes, issuer: VerifyKey, site: str) -> int:
    """Return the version of a policy that a carrier brings whole. Raise SignatureError."""
    proven = _prove(data, issuer, site)
    proven.check_whole()
    return proven.version
