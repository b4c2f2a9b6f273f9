"""`python -m tests.live`: build what is missing, start the stack with a node for pods and a router, print how to reach
it, and stay until Ctrl-C.

`--build` only builds and fetches, with a line per part.
"""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
from pathlib import Path
from types import FrameType

from headgate.errors import HeadgateError, RemoteStateError
from headgate.exit_codes import ExitCode
from tests.live.airflow_build import build_airflow
from tests.live.build import build
from tests.live.debian import find
from tests.live.stack import Stack
from tests.live.workers import agent_server, front_server

NAMESPACE = "shop"
"""Whose requests the router takes: `curl -H "Host: ..." $HEADGATE_LIVE_ROUTER_URL/...`."""


def say(text: str) -> None:
    print(f"live: {text}", file=sys.stderr, flush=True)


def main(argv: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.live", description=__doc__)
    parser.add_argument("--build", action="store_true", help="build and fetch what is missing, and end")
    parser.add_argument("--folder", type=Path, help="work folder (new or empty); default: a temporary one")
    arguments = parser.parse_args(argv)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        debian, built = find(say), build(say)
        if arguments.build:
            _build_airflow()
        else:
            with Stack(built, debian, say, folder=arguments.folder) as stack:
                port = stack.layout.ports["router"]
                stack.servers.start(agent_server(stack), front_server(stack, namespace=NAMESPACE, port=port))
                variables = stack.variables() | {"HEADGATE_LIVE_ROUTER_URL": stack.layout.url("router")}
                for name, value in variables.items():
                    print(f"export {name}={shlex.quote(value)}", flush=True)
                say("ready; Ctrl-C ends it")
                signal.pause()
    except KeyboardInterrupt:
        say("ended")
        return int(ExitCode.INTERRUPTED)
    except HeadgateError as error:
        say(str(error))
        return int(error.exit_code)
    return int(ExitCode.PASS)


def _build_airflow() -> None:
    """The other servers do not need it: where it cannot be installed its tests are skipped, and say so."""
    try:
        build_airflow(say)
    except RemoteStateError as error:
        say(f"{error} Until then the tests with Airflow are skipped.")


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
