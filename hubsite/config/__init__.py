"""The configuration: one file, a section a module."""

from hubsite.config.bridge import Bridge
from hubsite.config.database import Database
from hubsite.config.file import SECRET_BYTES_MIN, Config, Site, card_key_of, load, parse
from hubsite.config.hubs import Engine, Operators, Signing, operator_of
from hubsite.config.oidc import Oidc
from hubsite.config.phones import Phones
from hubsite.config.records import Records
from hubsite.config.secrets import FILE_BYTES_MAX, place_of, secret_file
from hubsite.config.syslog import Syslog
from hubsite.config.webhooks import Webhooks

__all__ = [
    "FILE_BYTES_MAX",
    "SECRET_BYTES_MIN",
    "Bridge",
    "Config",
    "Database",
    "Engine",
    "Oidc",
    "Operators",
    "Phones",
    "Records",
    "Signing",
    "Site",
    "Syslog",
    "Webhooks",
    "card_key_of",
    "load",
    "operator_of",
    "parse",
    "place_of",
    "secret_file",
]
