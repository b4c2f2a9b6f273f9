"""Run an ASGI application on a free loopback port, in a thread."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from types import TracebackType
from typing import TYPE_CHECKING, Self

from headgate.errors import UnreachableError

if TYPE_CHECKING:
    from starlette.types import ASGIApp


class _EndedStreams(logging.Filter):
    """Drops what uvicorn says of streams that were cut by stopping; real failures of an application still show."""

    def filter(self, record: logging.LogRecord) -> bool:
        cancelled = record.exc_info is not None and record.exc_info[0] is asyncio.CancelledError
        return not (cancelled or str(record.msg).startswith("Cancel %s running task"))


_ENDED_STREAMS = _EndedStreams()


class AppServer:
    """One HTTP server on 127.0.0.1. `port` 0 takes a free one; `url` is known before the server starts.

    Start and stop with `with`, or by `start()` and `stop()`; both may be called twice. Raises `UnreachableError`
    when the application does not come up within ten seconds. `date_header` False leaves the time to the application.
    """

    def __init__(self, app: ASGIApp, *, name: str, port: int = 0, date_header: bool = True) -> None:
        import uvicorn

        # The protocol is named because asyncio turns Nagle's algorithm off only where it is: 40 ms per answer otherwise.
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", port))
        self.name = name
        self.port: int = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        # From Python 3.12 on asyncio waits for open connections (a watch never ends by itself): the bound ends that.
        config = uvicorn.Config(
            app,
            log_level="error",
            access_log=False,
            lifespan="off",
            ws="none",
            timeout_graceful_shutdown=1,
            date_header=date_header,
        )
        self._server = uvicorn.Server(config)
        logging.getLogger("uvicorn.error").addFilter(_ENDED_STREAMS)  # the same filter is added only once
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        if self._thread is not None:
            return
        self._socket.listen(128)  # connections made before the loop runs wait here instead of being refused
        self._thread = threading.Thread(target=self._run, name=f"sandbox-{self.name}", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        self._server.run(sockets=[self._socket])

    def stop(self) -> None:
        self._server.should_exit = True
        self._server.force_exit = True
        if self._thread is not None:
            self._thread.join(timeout=10)
            if self._thread.is_alive():
                raise UnreachableError(f"the sandbox server {self.name} did not stop", next_step="End the process.")
            self._thread = None
        self._socket.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
