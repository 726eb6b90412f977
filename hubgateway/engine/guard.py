"""By whom an engine is known, where it is reached by TLS.

Law: TLS 1.2 or newer; the engine proves its name, to those of this system or to the one named.
"""

from __future__ import annotations

import ssl
from typing import Any

from hubcore.errors import ConfigError


def engine_guard(authority: str) -> dict[str, Any]:
    """Return by whom the engine's client knows the engine, nothing for those of this system.

    `authority` is a file in PEM, "" for none. Raise ConfigError.
    """
    if not authority:
        return {}
    try:
        context = ssl.create_default_context(cafile=authority)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            f"engine: authority {authority}: no certificate in PEM: {error}"
        ) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return {"tls": context}
