"""Why a connection to a bridge failed, by what the libraries raised.

Law: each way to fail has one word (`ports.bridge.LineFault`). What is not known is BROKEN.
"""

from __future__ import annotations

import errno
import ssl

from hubcore.ports.bridge import LineFault

_HOSTNAME_MISMATCH = 62
"""X509_V_ERR_HOSTNAME_MISMATCH of OpenSSL; Python has no name for it."""
_NO_WAY = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL, errno.ENETDOWN})


def fault_of(error: BaseException) -> LineFault:
    """Return the word for an error of the attempt to connect."""
    match error:
        case ssl.SSLCertVerificationError():
            is_name = error.verify_code == _HOSTNAME_MISMATCH
            return LineFault.OTHER_NAME if is_name else LineFault.OTHER_AUTHORITY
        case ssl.SSLError():
            return LineFault.NOT_LET_IN if is_alert(error) else LineFault.NOT_TLS
        case TimeoutError():
            return LineFault.SILENT
        case ConnectionRefusedError():
            return LineFault.REFUSED
        case ConnectionError():
            return LineFault.NOT_TLS
        case OSError() if error.errno in _NO_WAY:
            return LineFault.NO_ROUTE
    return LineFault.BROKEN


def is_alert(error: BaseException) -> bool:
    """Tell whether the other end has said by TLS that it does not want this one."""
    return isinstance(error, ssl.SSLError) and "ALERT" in (error.reason or "")
