"""`headgate serve`: dashboard, /metrics and collector on one port."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cicd.cli.context import App, say
from cicd.stores import open_for, store_option, time_zone
from headgate.exit_codes import ExitCode

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping

    import uvicorn

    from observability.collector.verify import Key


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8460, show_default=True, help="0 takes a free one.")
@click.option("--days", type=click.IntRange(1, 3660), default=30, show_default=True, help="Window of the metrics.")
@click.option("--time-zone", "zone_name", metavar="ZONE", help="Zone in which times are shown.")
@click.option(
    "--allow-unverified",
    is_flag=True,
    help="Take webhooks of senders that have no secret configured; only on a loopback address.",
)
@click.option(
    "--names",
    "names_path",
    metavar="FILE",
    help="YAML with the senders' names of your `services` and `environments`.",
)
@store_option()
@click.pass_obj
def serve(
    app: App, host: str, port: int, days: int, zone_name: str | None, allow_unverified: bool, names_path: str | None,
    store_url: str | None,
) -> int:  # fmt: skip
    """Serve the dashboard (/), /metrics, /api/dora.json, /healthz, /readyz and the collector.

    The collector takes webhooks (POST /webhooks/SENDER) and CDEvents (POST /events) of senders whose secret is in the
    environment; the others are refused. /openapi.json describes it. The URL is printed on stdout. Ctrl-C and SIGTERM
    let running requests end, then exit with code 0.
    """
    zone = time_zone(app, zone_name, store_url)
    store = open_for(app, store_url, create=True)
    try:
        from cicd.serve_names import read_names
        from observability.collector.app import Collector, Doors
        from observability.collector.server import build_server
        from observability.dashboard import create_app
    except ImportError as error:
        from headgate.errors import ConfigError

        raise ConfigError(f"{error.name} is not installed", next_step="Install headgate[serve].") from error
    names = read_names(names_path)
    keys = _read_keys()
    listener = _listen(host, port)
    _check_unverified(listener, allow_unverified)
    collector = Collector(store, Doors(keys=keys, unverified=allow_unverified), clock=app.clock, names=names)
    title = "Headgate" if store_url is not None else app.config.project
    pages = create_app(store, clock=app.clock, registries=[collector.registry], title=title, days=days, zone=zone)
    server = build_server(collector, pages)
    return _run(server, listener)


def _run(server: uvicorn.Server, listener: socket.socket) -> int:
    from headgate.interrupts import stop_signals

    try:
        with stop_signals():
            # The socket listens already, so the address may be used as soon as it is read.
            click.echo(_address(listener))
            server.run(sockets=[listener])
    except KeyboardInterrupt:  # uvicorn finishes what it serves, then raises the signal again
        say("stopped")
    return ExitCode.PASS


def _read_keys() -> Mapping[str, tuple[Key, ...]]:
    """The secrets of the senders, from the environment; says which senders are open."""
    from headgate.secrets import read_secret
    from observability.collector.senders import read_keys

    keys = read_keys(read_secret)
    taken = [name for name, ways in keys.items() if any(way.secrets for way in ways)]
    say(
        f"webhooks are taken from: {', '.join(taken)}"
        if taken
        else "no sender's secret is set: every webhook is refused"
    )
    return keys


def _check_unverified(listener: socket.socket, allowed: bool) -> None:
    from ipaddress import ip_address

    from headgate.errors import ConfigError

    if not allowed:
        return
    if not ip_address(listener.getsockname()[0].partition("%")[0]).is_loopback:
        listener.close()
        raise ConfigError(
            "--allow-unverified would let everybody write the metrics",
            where="--host",
            next_step="Use it with --host 127.0.0.1 only, or set the senders' secrets.",
        )
    say("warning: webhooks of senders without a secret are taken unverified")


def _listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises `ConfigError` when the address cannot be had."""
    import socket

    from headgate.errors import ConfigError

    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=1024)
    except OSError as error:
        raise ConfigError(
            f"cannot listen: {error.strerror or error}",
            where=f"{host}:{port}",
            next_step="Choose another --host or --port (0 takes a free one).",
        ) from error


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"
