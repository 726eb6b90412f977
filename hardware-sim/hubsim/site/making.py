"""Making a site, and its hubs.

Law: an access point belongs to one hub.
"""

from __future__ import annotations

import json
import re
import secrets
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

import zmq

from hubcore.backend.enrolment.promise import Signed
from hubcore.codec import cbor
from hubcore.codec.cose import VerifyKey
from hubcore.codec.tls import TlsName, TlsRole, der_of, pem_of, read_certificate
from hubcore.phone import beacon
from hubcore.phone.certificates import HubCertificate
from hubcore.policy.policy import ALL_RIGHTS, Operator, Policy
from hubsim.phone.wallet import write_private
from hubsim.site.authority import certify_tls, make_authority, open_authority, public_of
from hubsim.site.certificates import (
    certificate_file,
    hand_tls_to_hub,
    hand_to_hub,
    tls_file,
)
from hubsim.site.documents import (
    HUB_DAYS,
    Validity,
    certify_hub,
    make_key,
    pem,
)
from hubsim.site.folder import DEFAULT_BACKEND, FIRST_OPERATOR, Site, keep_out_of_git, write_public

TLS_CERTIFICATE = "tls.pem"
AUTHORITY = "authority.pem"
_ID = re.compile(r"(?!-)[a-z0-9-]{1,32}(?<!-)")


def init(
    path: Path,
    site: str = "site-1",
    hub: str = "hub-1",
    points: Sequence[int] = (1,),
    for_show: bool = False,
    backend: str = DEFAULT_BACKEND,
    enrols: bool = False,
) -> Site:
    """Make a new site's folder; `backend` is where the desk's backend listens.

    `enrols`: the first hub is to be enrolled; it gets neither keys nor a certificate here.
    Raise FileExistsError for a folder that holds something, unless it is a site `for_show`.
    Raise ValueError for a name that hubd would refuse.
    """
    check_id("site", site)
    check_id("hub", hub)
    if path.exists() and any(path.iterdir()):
        if not (for_show and _is_for_show(path)):
            raise FileExistsError(
                f"{path} holds something already: name a new folder with --at, or remove it"
            )
        shutil.rmtree(path)
    for folder in (path, path / "backend" / "hubs", path / "phones"):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    keep_out_of_git(path)
    about = {
        "site": site,
        "hub": hub,
        "for_show": for_show,
        "backend": backend,
    }
    (path / "site.json").write_text(json.dumps(about))

    made = Site(path)
    issuer = make_key()
    write_private(path / "issuer.key", pem(issuer))
    write_public(path / "issuer.cbor", cbor.encode(issuer.cose_key))
    make_authority(path, site)
    backend_public, backend_secret = zmq.curve_keypair()
    write_private(made.backend / "curve.secret", backend_secret)
    (made.backend / "curve.pub").write_bytes(backend_public)
    beacon_key = secrets.token_bytes(beacon.KEY_BYTES)
    if enrols:
        made.hub.mkdir(mode=0o700)
        write_private(made.hub / "beacon.key", beacon_key)
    else:
        _make_hub(
            site=made,
            folder=made.hub,
            hub=hub,
            points=points,
            beacon_key=beacon_key,
        )
    operators = {FIRST_OPERATOR: Operator(ALL_RIGHTS)}
    first_policy = Policy(site, 1, int(time.time()), operators=operators)
    made.publish(first_policy)
    return made


def _is_for_show(path: Path) -> bool:
    file = path / "site.json"
    if not file.exists():
        return False
    about = json.loads(file.read_text())
    return bool(about.get("for_show"))


def add_hub(
    site: Site,
    hub: str,
    points: Sequence[int],
    days: float = HUB_DAYS,
) -> HubCertificate:
    """Make another hub of the site with keys of its own.

    Raise ValueError for a name or an access point in use.
    """
    check_id("hub", hub)
    if not points:
        raise ValueError(
            f"hub {hub} is new: say which access points it serves, --access-point N for each"
        )
    _check_free(site, hub, points)
    folder = site.path / "hubs" / hub
    folder.parent.mkdir(exist_ok=True, mode=0o700)
    _make_hub(
        site=site,
        folder=folder,
        hub=hub,
        points=points,
        beacon_key=site.beacon_key,
        validity=Validity.days(days),
    )
    return site.certificate(hub)


def certify(
    site: Site,
    hub: str,
    more: Sequence[int] = (),
    without: Sequence[int] = (),
    days: float = HUB_DAYS,
) -> HubCertificate:
    """Renew a hub's certificate for the same key, with `more` access points or `without` some.

    Its TLS certificate is renewed with it, for the same key and the same days. Raise ValueError.
    """
    folder = site.hub_folder(hub)
    served = set(site.certificate(hub).access_points)
    not_served = set(without) - served
    if not_served:
        raise ValueError(f"hub {hub} does not serve access point {min(not_served)}")
    points = (served - set(without)) | set(more)
    if not points:
        raise ValueError(f"hub {hub} would serve no access point")
    _check_free(site, hub, more)
    validity = Validity.days(days)
    document = certify_hub(
        site.issuer,
        site=site.name,
        hub=hub,
        key=site.certificate(hub).key,
        points=sorted(points),
        validity=validity,
    )
    _put_certificate(site, folder, hub, document)
    tls_before = folder / TLS_CERTIFICATE
    if tls_before.exists():
        name = TlsName(site.name, TlsRole.HUB, hub)
        authority = open_authority(site.path)
        before = read_certificate(der_of(tls_before.read_bytes()), authority.document, name)
        _put_tls(site, folder, hub, certify_tls(authority, name, before.key, validity))
    return site.certificate(hub)


def certify_new(
    site: Site,
    hub: str,
    key: VerifyKey,
    tls_key: bytes,
    points: Sequence[int],
    days: float = HUB_DAYS,
) -> Signed:
    """Return the certificates of a hub that enrols with these keys; they are the hub's from now on.

    `tls_key` is a SubjectPublicKeyInfo. Raise ValueError for a name or an access point in use.
    """
    check_id("hub", hub)
    _check_free(site, hub, points)
    validity = Validity.days(days)
    document = certify_hub(
        site.issuer,
        site=site.name,
        hub=hub,
        key=key,
        points=sorted(set(points)),
        validity=validity,
    )
    name = TlsName(site.name, TlsRole.HUB, hub)
    tls_document = certify_tls(open_authority(site.path), name, tls_key, validity)
    folder = site.hub if hub == site.first_hub else site.path / "hubs" / hub
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    _put_certificate(site, folder, hub, document)
    _put_tls(site, folder, hub, tls_document)
    return Signed(document, tls_document)


def end_hub(site: Site, hub: str) -> None:
    """Take a hub's certificate from the site: its access points are free. Raise ValueError."""
    site.certificate(hub)
    file = site.hub_folder(hub) / "certificate.cbor"
    file.rename(file.with_name("certificate.ended.cbor"))
    certificate_file(site.backend, hub).unlink(missing_ok=True)
    (site.hub_folder(hub) / TLS_CERTIFICATE).unlink(missing_ok=True)
    tls_file(site.backend, hub).unlink(missing_ok=True)


def check_new(site: Site, hub: str, points: Sequence[int]) -> None:
    """Raise ValueError for a name that hubd would refuse, or an access point in use."""
    check_id("hub", hub)
    _check_free(site, hub, points)


def _put_certificate(site: Site, folder: Path, hub: str, document: bytes) -> None:
    """Put a certificate into the hub's folder, and where the backend finds it."""
    write_public(folder / "certificate.cbor", document)
    hand_to_hub(site.backend, hub, document)


def _put_tls(site: Site, folder: Path, hub: str, document: bytes) -> None:
    """Put a TLS certificate into the hub's folder, and where the backend finds it."""
    write_public(folder / TLS_CERTIFICATE, pem_of(document))
    hand_tls_to_hub(site.backend, hub, document)


def check_id(what: str, name: str) -> None:
    if not _ID.fullmatch(name):
        raise ValueError(
            f"{name!r} is no {what}: choose 1 to 32 characters of a-z, 0-9 and -, none of them - "
            "at an end"
        )


def _check_free(site: Site, hub: str, points: Sequence[int]) -> None:
    """An access point is one direction through one door: two hubs cannot have it."""
    for point in points:
        owner = site.hub_of(point)
        if owner not in (None, hub):
            raise ValueError(
                f"access point {point} is {owner}'s: choose another number, or first take it away "
                f"there: `hubsim site certify {owner} --without {point}`"
            )


def _make_hub(
    site: Site,
    folder: Path,
    hub: str,
    points: Sequence[int],
    beacon_key: bytes | None,
    validity: Validity | None = None,
) -> None:
    """Make a hub's folder with keys of its own, known to the backend."""
    folder.mkdir(mode=0o700)
    identity = make_key()
    write_private(folder / "identity.key", pem(identity))
    issuer = (site.path / "issuer.cbor").read_bytes()
    write_public(folder / "issuer.cbor", issuer)
    certificate = certify_hub(
        site.issuer,
        site=site.name,
        hub=hub,
        key=identity.verify_key,
        points=sorted(set(points)),
        validity=validity,
    )
    _put_certificate(site, folder, hub, certificate)
    _make_tls(site, folder, hub, validity or Validity.days(HUB_DAYS))
    if beacon_key is not None:
        write_private(folder / "beacon.key", beacon_key)
    public, secret = zmq.curve_keypair()
    write_private(folder / "curve.secret", secret)
    backend_public = (site.backend / "curve.pub").read_bytes()
    write_public(folder / "backend.pub", backend_public)
    (site.backend / "hubs" / f"{hub}.curve.pub").write_bytes(public)


def _make_tls(site: Site, folder: Path, hub: str, validity: Validity) -> None:
    """Make a hub's TLS key and certificate."""
    key = make_key()
    authority = open_authority(site.path)
    name = TlsName(site.name, TlsRole.HUB, hub)
    write_private(folder / "tls.key", pem(key))
    _put_tls(site, folder, hub, certify_tls(authority, name, public_of(key), validity))
    write_public(folder / AUTHORITY, pem_of(authority.document))
