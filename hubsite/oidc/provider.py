"""A provider: where a browser is sent, and what its code was worth.

Laws:
1. Its document and its keys are kept for KEPT_SECONDS. An unknown key is looked for at once, and
   not again for KEYS_SECONDS: no token sets our pace.
2. After it did not answer it is left alone for AWAY_SECONDS, and each who asks is told so at once.
   An answer to a code that came whole, and is no token, is told to who brought the code: it keeps
   nobody else from the provider.
3. At most PLACES ask it at a time. Whoever finds no place is told: no thread waits for another.
4. A code goes to the very provider that the browser was sent to. An answer in another's name is
   refused before its code is used (RFC 9207).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore
from typing import Any

from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from requests.exceptions import HTTPError, RequestException, TooManyRedirects

from hubcore.errors import LinkError, ProofError
from hubsite.config import Oidc
from hubsite.oidc.documents import PATH, Metadata, read_metadata
from hubsite.oidc.fetching import Bounded, bound
from hubsite.oidc.tokens import AGE_SECONDS, UnknownKeyError, Who, read_token

KEPT_SECONDS = 3600.0
KEYS_SECONDS = 60.0
AWAY_SECONDS = 10.0
PLACES = 2
KEYS_MAX = 32
_NOT_TAKEN = (
    "The provider does not take this answer: it was used, or is too old, or the provider has a "
    "problem of its own. Begin the sign-in again."
)
_NO_TOKEN = (HTTPError, TooManyRedirects, ValueError, TypeError, AttributeError, KeyError)
"""What the library raises for an answer that came whole, and is no token."""
_LOG = logging.getLogger("hubsite.oidc")


class Provider:
    """What asks one provider. `monotonic` and `clock` give seconds, the second one Unix seconds."""

    def __init__(
        self,
        section: Oidc,
        secret: str,
        authority: str | bool,
        adapter: Bounded | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.section = section
        self._secret = secret
        self._authority = authority
        self._adapter = adapter or Bounded(pins=section.pins)
        self._monotonic = monotonic
        self._clock = clock
        self._places = BoundedSemaphore(PLACES)
        self._metadata: tuple[float, Metadata] | None = None
        self._keys: tuple[float, KeySet] | None = None
        self._away_until = 0.0
        self.problem = ""

    def address_of(self, back: str, state: str, nonce: str, verifier: str) -> str:
        """Return where a browser is sent. `back` is where it comes back to. Raise LinkError."""
        metadata = self._about()
        session = self._session(metadata, back)
        more = {"acr_values": " ".join(self.section.acr)} if self.section.acr else {}
        if self.section.acr or self.section.amr:  # then its sign-in is the whole of ours
            more["max_age"] = str(AGE_SECONDS)
        address, _ = session.create_authorization_url(
            metadata.authorization, state=state, code_verifier=verifier, nonce=nonce, **more
        )
        return str(address)

    def who(self, code: str, issuer: str | None, back: str, nonce: str, verifier: str) -> Who:
        """Return whom a code proves; `issuer` came beside it. Raise LinkError, ProofError."""
        metadata = self._about()
        if issuer != metadata.issuer and (issuer is not None or metadata.says_issuer):
            raise ProofError("This answer is in the name of another provider. Nothing was done.")
        said = self._exchanged(metadata, code, back, verifier)
        for is_again in (False, True):
            keys = self._keys_of(metadata, is_again)
            try:
                return read_token(said, keys, self.section, nonce, self._clock())
            except UnknownKeyError:
                continue
        raise ProofError("The provider's answer is signed by a key that it does not publish.")

    def _about(self) -> Metadata:
        kept = self._metadata
        if kept is not None and self._monotonic() < kept[0] + KEPT_SECONDS:
            return kept[1]
        with self._asking():
            said = self._get(f"{self.section.issuer.rstrip('/')}{PATH}")
            metadata = read_metadata(said, self.section.issuer)
        self._metadata = (self._monotonic(), metadata)
        return metadata

    def _keys_of(self, metadata: Metadata, is_again: bool) -> KeySet:
        """Return the provider's keys; `is_again`: one was not among them (law 1)."""
        kept = self._keys
        age = KEYS_SECONDS if is_again else KEPT_SECONDS
        if kept is not None and self._monotonic() < kept[0] + age:
            return kept[1]
        with self._asking():
            said = self._get(metadata.keys)
            keys = _read_keys(said)
        self._keys = (self._monotonic(), keys)
        return keys

    def _exchanged(self, metadata: Metadata, code: str, back: str, verifier: str) -> dict[str, Any]:
        with self._asking():
            session = self._session(metadata, back)
            try:
                said = session.fetch_token(
                    metadata.token,
                    grant_type="authorization_code",
                    code=code,
                    code_verifier=verifier,
                    redirect_uri=back,
                    allow_redirects=False,
                )
            except OAuthError as error:
                _LOG.warning("the provider refused a code: %s", str(error.error)[:40])
                raise ProofError(_NOT_TAKEN) from error
            except _NO_TOKEN as error:
                _LOG.warning("the provider answered a code by no token: %s", type(error).__name__)
                raise ProofError(_NOT_TAKEN) from error
        return dict(said)

    def _get(self, url: str) -> Any:
        response = self._session(None, "").get(url, withhold_token=True, allow_redirects=False)
        if response.status_code != 200:
            raise LinkError(f"{url}: it answers by status {response.status_code}")
        return response.json()

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """Hold a place to ask in, and say what became of it (laws 2 and 3). Raise LinkError."""
        name = self.section.name
        if self._monotonic() < self._away_until:
            raise LinkError(f"{name} does not answer now")
        if not self._places.acquire(blocking=False):
            raise LinkError(f"{name} is being asked for others at this moment")
        try:
            yield
        except (RequestException, LinkError, ValueError) as error:
            self._away_until = self._monotonic() + AWAY_SECONDS
            self.problem = f"{name} does not answer as it should: {error}"
            _LOG.warning("%s", self.problem[:300])
            raise LinkError(f"{name} does not answer now") from error
        else:
            self.problem = ""
        finally:
            self._places.release()

    def _session(self, metadata: Metadata | None, back: str) -> OAuth2Session:
        by_body = metadata is not None and metadata.by_body
        session = OAuth2Session(
            self.section.client_id,
            self._secret,
            token_endpoint_auth_method="client_secret_post" if by_body else "client_secret_basic",
            scope="openid",
            redirect_uri=back,
            code_challenge_method="S256",
        )
        bound(session, self._authority, self._adapter)
        return session


def _read_keys(said: Any) -> KeySet:
    """Read the provider's keys, those that can be read. Raise LinkError."""
    listed = said.get("keys") if isinstance(said, dict) else None
    if not isinstance(listed, list) or not 0 < len(listed) <= KEYS_MAX:
        raise LinkError("it publishes no keys")
    try:
        return KeySet.import_key_set({"keys": [one for one in listed if _is_public(one)]})
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise LinkError("it publishes keys that are none") from error


def _is_public(key: Any) -> bool:
    """Tell whether it is a key of somebody who alone can sign by it."""
    return isinstance(key, dict) and key.get("kty") in ("RSA", "EC", "OKP")
