"""The one client of OAuth: the page that is a phone, which this server serves itself."""

from __future__ import annotations

from collections.abc import Sequence

from oauth2_provider.models import get_application_model

CLIENT_ID = "webphone"
PAGE = "/webphone/index.html"
SCOPE = "phone"


def make_client(hosts: Sequence[str], port: int) -> None:
    """Make the client, or give it the addresses of this configuration.

    It is public: a page keeps no secret. So only a code with its proof (PKCE) is worth something.
    """
    application = get_application_model()
    addresses = [address for host in hosts for address in _addresses(host, port)]
    application.objects.update_or_create(
        client_id=CLIENT_ID,
        defaults={
            "name": "A phone in a browser",
            "client_type": application.CLIENT_PUBLIC,
            "authorization_grant_type": application.GRANT_AUTHORIZATION_CODE,
            "redirect_uris": " ".join(addresses),
            "skip_authorization": True,
            "client_secret": "",
            "hash_client_secret": False,  # or each try of one would cost a hash of a password
        },
    )


def _addresses(host: str, port: int) -> tuple[str, str]:
    return f"https://{host}{PAGE}", f"https://{host}:{port}{PAGE}"
