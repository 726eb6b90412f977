"""Where the files of a site's machine lie, and whose they are.

Laws:
1. What signs or opens lies in CREDENTIALS, for root alone. systemd hands it to the one unit that
   uses it.
2. The server's own user reads its own secrets, so that its commands work at the machine: those that
   guard sessions, its certificate and its account at the engine. Never the issuer's key.
"""

from __future__ import annotations

CREDENTIALS = "/etc/credstore"
GATEWAY_FOLDER = "/etc/hubgateway"
ISSUER_FOLDER = "/etc/hubissuer"
SERVER_FOLDER = "/etc/hubsite"
SERVER_USER = "hubsite"

ISSUER_KEY = f"{CREDENTIALS}/hubissuer.issuer_key"
AUTHORITY_KEY = f"{CREDENTIALS}/hubissuer.authority_key"
CURVE_SECRET = f"{CREDENTIALS}/hubgateway.curve_secret"
CARD_KEY = f"{CREDENTIALS}/hubissuer.card_key"
GATEWAY_CARD_KEY = f"{CREDENTIALS}/hubgateway.card_key"
ENROLMENT_SECRET = f"{CREDENTIALS}/hubgateway.enrolment_secret"
GATEWAY_ACCOUNT = f"{CREDENTIALS}/hubgateway.engine_account"
ISSUER_ACCOUNT = f"{CREDENTIALS}/hubissuer.engine_account"
PERSON_ACCOUNT = f"{CREDENTIALS}/person.engine_account"

ISSUER = "issuer.cbor"
AUTHORITY = "authority.pem"
PUBLIC_FOLDERS = (GATEWAY_FOLDER, ISSUER_FOLDER, SERVER_FOLDER)
"""Each has the issuer's public key and the certificate of the TLS authority."""

ENGINE_FILE = f"{GATEWAY_FOLDER}/nats.conf"
GATEWAY_FILE = f"{GATEWAY_FOLDER}/hubgateway.toml"
SIGNING_FILE = f"{ISSUER_FOLDER}/signing.toml"
ISSUER_FILE = f"{ISSUER_FOLDER}/hubissuer.toml"
SERVER_FILE = f"{SERVER_FOLDER}/hubsite.toml"
SERVER_SECRET = f"{SERVER_FOLDER}/hubsite.secret"
SERVER_ACCOUNT = f"{SERVER_FOLDER}/engine.account"
TLS_KEY = f"{SERVER_FOLDER}/tls.key"
TLS_CERTIFICATE = f"{SERVER_FOLDER}/tls.pem"
FILES = (
    *(ISSUER_KEY, AUTHORITY_KEY, CURVE_SECRET, ENROLMENT_SECRET),
    *(GATEWAY_ACCOUNT, ISSUER_ACCOUNT, PERSON_ACCOUNT, SERVER_ACCOUNT),
    *(CARD_KEY, GATEWAY_CARD_KEY),
    *(ENGINE_FILE, GATEWAY_FILE, SIGNING_FILE, ISSUER_FILE, SERVER_FILE),
    *(SERVER_SECRET, TLS_KEY, TLS_CERTIFICATE),
    *(f"{folder}/{name}" for folder in PUBLIC_FOLDERS for name in (ISSUER, AUTHORITY)),
)
"""All that `hubsite setup` makes."""
DATABASE = "/var/lib/hubsite/hubsite.db"
