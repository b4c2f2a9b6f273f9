"""`headgate serve`: dashboard, /metrics and event collector on one port."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cicd.cli.context import App, say
from cicd.stores import open_for, store_option, time_zone
from headgate.exit_codes import ExitCode

if TYPE_CHECKING:
    import socket


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8460, show_default=True, help="0 takes a free one.")
@click.option("--days", type=click.IntRange(1, 3660), default=30, show_default=True, help="Window of the metrics.")
@click.option("--time-zone", "zone_name", metavar="ZONE", help="Zone in which times are shown.")
@store_option()
@click.pass_obj
def serve(app: App, host: str, port: int, days: int, zone_name: str | None, store_url: str | None) -> int:
    """Serve the dashboard (/), /metrics, /api/dora.json, /healthz and the collector (POST /events).

    Events are taken only with the token of HEADGATE_COLLECTOR_TOKEN; without one all are refused. The URL is printed
    on stdout. Ctrl-C ends it with exit code 0.
    """
    from headgate.secrets import read_secret

    zone = time_zone(app, zone_name, store_url)
    store = open_for(app, store_url, create=True)
    try:
        import uvicorn

        from observability.dashboard import create_app
    except ImportError as error:
        from headgate.errors import ConfigError

        raise ConfigError(f"{error.name} is not installed", next_step="Install headgate[serve].") from error
    token = read_secret("HEADGATE_COLLECTOR_TOKEN")
    if token is None:
        say("no HEADGATE_COLLECTOR_TOKEN: POST /events refuses every event")
    title = "Headgate" if store_url is not None else app.config.project
    web = create_app(store, clock=app.clock, collector_token=token, title=title, days=days, zone=zone)
    listener = _listen(host, port)
    # The socket listens already, so the address may be used as soon as it is read.
    click.echo(_address(listener))
    server = uvicorn.Server(uvicorn.Config(web, log_level="warning", lifespan="off", timeout_graceful_shutdown=2))
    try:
        server.run(sockets=[listener])
    except KeyboardInterrupt:  # uvicorn finishes what it serves, then raises the signal again
        say("stopped")
    return ExitCode.PASS


def _listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises `ConfigError` when the address cannot be had."""
    import socket

    from headgate.errors import ConfigError

    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=128)
    except OSError as error:
        raise ConfigError(
            f"cannot listen: {error.strerror or error}",
            where=f"{host}:{port}",
            next_step="Choose another --host or --port (0 takes a free one).",
        ) from error


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"
