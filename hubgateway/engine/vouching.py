"""By whom an engine is known, where it is reached by TLS.

Laws:
1. TLS 1.2 or newer; the engine proves its name, to those of this system or to the one named.
2. To `tls://` nothing is said in clear, whatever the engine's first line says: it comes in clear,
   from whoever sits on the way.
3. No other engine that this line names is called. It would prove a name that is none of the file's,
   and whoever has that name could hand on what is signed to the true engine.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import Any

from nats.aio.client import Client

from hubcore.errors import ConfigError

_NO_TLS = "it asks for no TLS, so it shows none; its address is tls://, and nothing was sent"
_PROTOCOL = 1
"""OpenSSL's number of a failure that is none of the system."""


class VouchedClient(Client):
    """The library's client with laws 2 and 3.

    By itself it goes on in clear if it is asked for no TLS, and calls whatever engine it hears of.
    """

    async def _process_info(self, info: dict[str, Any], initial_connection: bool = False) -> None:
        server = self._current_server
        is_by_tls = server is not None and server.uri.scheme == "tls"
        if initial_connection and is_by_tls:
            if not info.get("tls_required"):
                raise ssl.SSLCertVerificationError(_PROTOCOL, _NO_TLS)
            info = {word: value for word, value in info.items() if word != "connect_urls"}
        await super()._process_info(info, initial_connection)


def vouched_by(
    authority: str, pin: Callable[[ssl.SSLContext], None] | None = None
) -> dict[str, Any]:
    """Return by whom the engine's client knows the engine, nothing for those of this system.

    `authority` is a file in PEM, "" for none; `pin` looks at more. Raise ConfigError.
    """
    if not authority and pin is None:
        return {}
    try:
        context = ssl.create_default_context(cafile=authority or None)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            f"engine: authority {authority}: no certificate in PEM: {error}"
        ) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if pin is not None:
        pin(context)
    return {"tls": context}
