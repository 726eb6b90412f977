"""What the web framework is told: made of the configuration alone.

Laws:
1. Each cookie is Secure, HttpOnly and SameSite, and its name binds it to this one host.
2. A page may load what this server serves, and nothing else. No script and no style stands in it.
3. Passwords are kept by Argon2 alone.
4. Whoever has not signed in sees the sign-in alone: a page that is for everybody says so.
5. Tokens of phones are kept as hashes, rotate, and die with each other where one is used twice
   (RFC 9700): each switch for that is on.
6. No part of a form is written to the disk. The one page that takes a file keeps it in memory
   (`hubsite.pages.people.importing`); sent to any other page, a file is not read.
7. A write is one transaction that holds the database from its beginning, on the disk at its end.
8. A copy of the database is no session: it has the hashes of cookies (`hubsite.accounts.sessions`).
"""

from __future__ import annotations

from typing import Any

from csp.constants import NONE, SELF

from hubsite.config import Database, Site
from hubsite.running import Running

HOUR = 3600
DAY = 24 * HOUR
SESSION_SECONDS = 10 * HOUR
HSTS_SECONDS = 365 * DAY
REQUEST_BYTES = 1 << 18
REQUEST_FIELDS = 2000
LOCKED_SECONDS = 10
CONNECTION_SECONDS = 600

_SQLITE = {
    "transaction_mode": "IMMEDIATE",
    "timeout": LOCKED_SECONDS,
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON",
}
_APPS = (
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "csp",
    "oauth2_provider",
    "hubsite.acts",
    "hubsite.accounts",
    "hubsite.clocks",
    "hubsite.register",
    "hubsite.bridge",
    "hubsite.passkeys",
    "hubsite.records",
    "hubsite.people",
    "hubsite.orders",
    "hubsite.scim",
    "hubsite.syslog",
    "hubsite.webhooks",
    "hubsite.fleet",
    "hubsite.pages",
)
_MIDDLEWARE = (
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",  # refuses a host that is not ours
    "hubsite.pages.middleware.NoFiles",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "hubsite.accounts.admission.OperatorsOnly",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "hubsite.pages.middleware.NotKept",
)
_OAUTH = {
    "OAUTH2_VALIDATOR_CLASS": "hubsite.phones.families.Families",
    "SCOPES": {"phone": "Fetch the grants of one phone"},
    "ALLOWED_REDIRECT_URI_SCHEMES": ["https"],
    "AUTHORIZATION_CODE_EXPIRE_SECONDS": 60,
    "ACCESS_TOKEN_EXPIRE_SECONDS": 600,
    "REFRESH_TOKEN_EXPIRE_SECONDS": 60 * DAY,
    "CLEAR_EXPIRED_TOKENS_BATCH_SIZE": 500,
    "PKCE_REQUIRED": True,
    "ROTATE_REFRESH_TOKEN": True,
    "REFRESH_TOKEN_REUSE_PROTECTION": True,
    "COMPLIANT_BCP_RFC9700_IMPLICIT_GRANT": True,
    "COMPLIANT_BCP_RFC9700_PASSWORD_GRANT": True,
    "COMPLIANT_BCP_RFC9700_PKCE_METHOD": True,
    "COMPLIANT_BCP_RFC9700_ACCESS_TOKEN_TRANSPORT": True,
    "COMPLIANT_BCP_RFC9700_AUTHZ_RESPONSE_ISS": True,
    "COMPLIANT_BCP_RFC9700_TOKEN_STORAGE": True,
    "COMPLIANT_BCP_RFC9700_REFRESH_TOKEN": True,
    "COMPLIANT_BCP_RFC9700_REDIRECT_URI_SCHEME": True,
    "COMPLIANT_BCP_RFC9700_REDIRECT_URI_MATCHING": True,
    "COMPLIANT_BCP_RFC9700_PKCE_REQUIRED": True,
}
_CSP = {
    "default-src": [NONE],
    "script-src": [SELF],
    "style-src": [SELF],
    "img-src": [SELF],
    "connect-src": [SELF],
    "manifest-src": [SELF],
    "worker-src": [SELF],
    "form-action": [SELF],
    "base-uri": [NONE],
    "frame-ancestors": [NONE],
    "object-src": [NONE],
}


def settings_of(site: Site) -> dict[str, Any]:
    """Return the settings of the web framework."""
    return {
        "DEBUG": False,
        "SECRET_KEY": site.secret.decode("latin-1"),
        "ALLOWED_HOSTS": list(site.config.hosts),
        "ROOT_URLCONF": "hubsite.pages.urls",
        "INSTALLED_APPS": list(_APPS),
        "MIDDLEWARE": list(_MIDDLEWARE),
        "DATABASES": {"default": _database(site.database)},
        "DEFAULT_AUTO_FIELD": "django.db.models.BigAutoField",
        "TEMPLATES": [_templates()],
        "USE_TZ": True,
        "TIME_ZONE": site.config.time_zone,
        "APPEND_SLASH": False,
        "LANGUAGE_CODE": "en",
        "USE_I18N": False,
        "DATA_UPLOAD_MAX_MEMORY_SIZE": REQUEST_BYTES,
        "FILE_UPLOAD_HANDLERS": [],
        "DATA_UPLOAD_MAX_NUMBER_FIELDS": REQUEST_FIELDS,
        "HUBSITE": site,
        "HUBSITE_RUNNING": Running(),
        "LOGGING": _LOGGING,
        "SILENCED_SYSTEM_CHECKS": ["security.W005", "security.W021"],
        **_sign_in(),
        **_cookies(),
        **_transport(),
        "OAUTH2_PROVIDER": dict(_OAUTH),
    }


def _database(database: Database) -> dict[str, Any]:
    """Return what the framework is told of the database (law 7)."""
    if not database.is_postgresql:
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": database.name,
            "OPTIONS": dict(_SQLITE),
            "CONN_MAX_AGE": CONNECTION_SECONDS,
        }
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": database.name,
        "HOST": database.host,
        "PORT": database.port,
        "USER": database.user,
        "PASSWORD": database.password,
        "OPTIONS": guard_of(database),
        "CONN_MAX_AGE": CONNECTION_SECONDS,
        "CONN_HEALTH_CHECKS": True,
    }


def guard_of(database: Database) -> dict[str, Any]:
    """Return how PostgreSQL's own library guards the connection."""
    said = {"sslmode": database.sslmode, "sslrootcert": database.authority}
    return {word: value for word, value in said.items() if value}


def _templates() -> dict[str, Any]:
    return {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "hubsite.pages.shown.everywhere",
            ]
        },
    }


def _sign_in() -> dict[str, Any]:
    """Return how people sign in (laws 3 and 4)."""
    return {
        "AUTH_USER_MODEL": "accounts.Account",
        "AUTHENTICATION_BACKENDS": ["hubsite.accounts.backend.Sessions"],
        "PASSWORD_HASHERS": ["hubsite.accounts.hashing.Argon2"],
        "LOGIN_URL": "sign-in",
        "LOGIN_REDIRECT_URL": "home",
        "LOGOUT_REDIRECT_URL": "sign-in",
        "MESSAGE_STORAGE": "django.contrib.messages.storage.session.SessionStorage",
    }


def _cookies() -> dict[str, Any]:
    """Return how cookies are set (law 1), and where sessions lie (law 7)."""
    return {
        "SESSION_ENGINE": "hubsite.accounts.sessions",
        "SESSION_COOKIE_NAME": "__Host-session",
        "SESSION_COOKIE_SECURE": True,
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SAMESITE": "Strict",
        "SESSION_COOKIE_AGE": SESSION_SECONDS,
        "SESSION_EXPIRE_AT_BROWSER_CLOSE": True,
        "CSRF_COOKIE_NAME": "__Host-csrf",
        "CSRF_COOKIE_SECURE": True,
        "CSRF_COOKIE_HTTPONLY": True,
        "CSRF_COOKIE_SAMESITE": "Strict",
        "CSRF_FAILURE_VIEW": "hubsite.pages.failures.forged",
    }


def _transport() -> dict[str, Any]:
    """Return what browsers are told with each page (law 2)."""
    return {
        "SECURE_SSL_REDIRECT": True,
        "SECURE_HSTS_SECONDS": HSTS_SECONDS,
        "SECURE_CONTENT_TYPE_NOSNIFF": True,
        "SECURE_REFERRER_POLICY": "same-origin",
        "SECURE_CROSS_ORIGIN_OPENER_POLICY": "same-origin",
        "X_FRAME_OPTIONS": "DENY",
        "CONTENT_SECURITY_POLICY": {"DIRECTIVES": _CSP},
    }


_LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(name)s %(levelname)s: %(message)s"}},
    "filters": {"links": {"()": "hubsite.logs.WithoutLinks"}},
    "handlers": {
        "err": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["links"]}
    },
    "root": {"handlers": ["err"], "level": "WARNING"},
    "loggers": {"django.request": {"level": "ERROR"}, "hubsite": {"level": "INFO"}},
}
