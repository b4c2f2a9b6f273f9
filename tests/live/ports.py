"""Free loopback ports for servers that must be told their port, and told the same one after a restart.

They are taken below the range that the kernel gives to outgoing connections, so that none can be lost to one between
a kill and a restart. Each run owns a block of them: it listens on the block's first port as long as it lives, so two
runs side by side, whoever started them, cannot meet.
"""

from __future__ import annotations

import contextlib
import random
import socket

FIRST, LAST, BLOCK = 20_000, 32_000, 64
HOST = "127.0.0.1"


class PortBlock:
    """Ports that belong to this object until `close()`. Raises `OSError` when no block is free."""

    def __init__(self) -> None:
        starts = list(range(FIRST, LAST - BLOCK, BLOCK))
        random.shuffle(starts)
        self._guard, start = self._claim(starts)
        self._left = iter(range(start + 1, start + BLOCK))

    @staticmethod
    def _claim(starts: list[int]) -> tuple[socket.socket, int]:
        for start in starts:
            guard = socket.socket()
            try:
                guard.bind((HOST, start))
                guard.listen(1)
            except OSError:
                guard.close()
                continue
            return guard, start
        raise OSError(f"no free block of ports between {FIRST} and {LAST}")

    def take(self) -> int:
        """The next port that nobody listens on. Raises `OSError` when the block is used up."""
        for port in self._left:
            with socket.socket() as probe, contextlib.suppress(OSError):
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((HOST, port))
                return port
        raise OSError(f"no port left in the block of {BLOCK}")

    def close(self) -> None:
        """Give the block back."""
        self._guard.close()
