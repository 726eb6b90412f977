"""`hubsite serve`: the server itself, by gunicorn with threads in one process.

Laws:
1. TLS 1.2 and 1.3 only. Without a certificate nothing is served.
2. One process serves: what it knows of tries to sign in is known to each of its threads.
3. Everything of a request has a ceiling: its lines, its fields, its body, its time.
4. No peer holds a thread: a silent or slow one costs a place among CONNECTIONS, which a newcomer
   takes (`hubsite.serving`).
5. The collector of garbage never walks what was loaded before the first request: each such walk
   kept who was waiting then for a tenth of a second.
6. Each page is loaded before the process that serves is forked, so both share that memory.
"""

from __future__ import annotations

import gc
import ssl
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from hubsite import config
from hubsite.commands import careful
from hubsite.commands.check import look
from hubsite.starting import make_tables
from hubsite.tls import tls_context

REQUEST_SECONDS = 60
STOP_SECONDS = 10
LINE_BYTES = 4096
FIELDS = 100
FIELD_BYTES = 8190


@click.command("serve")
@click.pass_obj
def serve(file: Path) -> None:
    """Serve until a signal ends it."""
    site = careful.load(file)
    look(site)
    make_tables(site)
    run(site)


def options_of(site: config.Site) -> dict[str, Any]:
    """Return what gunicorn is told."""

    from hubsite.serving.connection import ARRIVE_SECONDS
    from hubsite.serving.worker import CONNECTIONS, Worker

    def contextual(_config: object, default: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
        return tls_context(site, default())

    return {
        "bind": site.config.listen,
        "workers": 1,
        "worker_class": Worker,
        "threads": site.config.threads,
        "worker_connections": CONNECTIONS + 1,
        "keepalive": int(ARRIVE_SECONDS),
        "timeout": REQUEST_SECONDS,
        "graceful_timeout": STOP_SECONDS,
        "limit_request_line": LINE_BYTES,
        "limit_request_fields": FIELDS,
        "limit_request_field_size": FIELD_BYTES,
        "certfile": str(site.place(site.config.tls_certificate)),
        "keyfile": str(site.place(site.config.tls_key)),
        "ssl_context": contextual,
        "post_worker_init": lambda _worker: _begin(site),
        "worker_exit": lambda _server, _worker: _end(),
        "forwarded_allow_ips": "",
        "preload_app": False,
        "control_socket_disable": True,
        "proc_name": "hubsite",
    }


def _begin(site: config.Site) -> None:
    from hubsite import wiring

    wiring.begin(site)
    _keep_for_good()


def _keep_for_good() -> None:
    """Load each page, and let the collector walk nothing of what is there by now (laws 5 and 6)."""
    import_module("hubsite.pages.urls")
    gc.collect()
    gc.freeze()


def _end() -> None:
    from hubsite import wiring

    wiring.end()


def application() -> Any:
    """Return what answers requests: the framework, with what is quicker for phones before it."""
    from django.core.wsgi import get_wsgi_application

    from hubsite.crowd.front import Front

    return Front(get_wsgi_application())


def run(site: config.Site) -> None:
    """Serve with gunicorn, in this process."""
    from gunicorn.app.base import BaseApplication

    class Server(BaseApplication):
        """Gunicorn, told by our configuration alone: no file and no command line of its own."""

        def load_config(self) -> None:
            """Tell it everything."""
            for key, value in options_of(site).items():
                self.cfg.set(key, value)

        def load(self) -> object:
            """Return the application."""
            return application()

    _keep_for_good()
    Server().run()
