"""TLS on a socket that does not block: the exceptions of `ssl` become those of a plain socket."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager


class WaitingError(BlockingIOError):
    """It has to wait, until it can write or until there is something to read, whatever was asked of it."""

    def __init__(self, *, writing: bool) -> None:
        super().__init__()
        self.writing = writing


class TlsStream:
    """What `cicd.dags.http.line` needs of a socket."""

    def __init__(self, stream: ssl.SSLSocket) -> None:
        self.stream = stream

    def fileno(self) -> int:
        return self.stream.fileno()

    def close(self) -> None:
        self.stream.close()

    def shake(self) -> None:
        with _waiting():
            self.stream.do_handshake()

    def recv(self, size: int) -> bytes:
        """Empty when the server has ended the connection."""
        with _waiting():
            return self.stream.recv(size)

    def sendmsg(self, buffers: Sequence[memoryview]) -> int:
        """Send some of the first one."""
        with _waiting():
            return self.stream.send(buffers[0])


@contextmanager
def _waiting() -> Iterator[None]:
    try:
        yield
    except ssl.SSLWantReadError:
        raise WaitingError(writing=False) from None
    except ssl.SSLWantWriteError:
        raise WaitingError(writing=True) from None
