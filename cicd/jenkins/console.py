"""The console of a build as it grows, by Jenkins' progressive text protocol.

Each answer carries X-Text-Size, the offset to ask from next, and X-More-Data while the build writes.
"""

from __future__ import annotations

from collections.abc import Callable

from cicd.jenkins.transport import Transport
from headgate.errors import TransportError
from headgate.secrets import mask

_KEPT_CHARACTERS = 16_000


class ConsoleTail:
    """Reads what is new, hands it (masked, whole lines) to `on_text`, and keeps the last 16 000 characters in `text`."""

    def __init__(self, transport: Transport, path: str, on_text: Callable[[str], None] | None) -> None:
        self._transport = transport
        self._path = path
        self._on_text = on_text
        self._offset = 0
        self._pending = ""
        self.text = ""

    def advance(self) -> bool:
        """Read what is new; False when that failed. Losing sight of the console must not end the waiting for the build."""
        try:
            fresh, headers = self._transport.get_text(self._path, start=str(self._offset))
        except TransportError:
            return False
        size = headers.get("X-Text-Size", "")
        if not size.isdigit() or int(size) < self._offset:
            return False  # without the offset the same text would come again and again
        if int(size) > self._offset:
            self._offset = int(size)
            self.text = (self.text + fresh)[-_KEPT_CHARACTERS:]
            self._show(fresh)
        return True

    def finish(self) -> None:
        """Read the rest after the end of the build."""
        self.advance()
        if self._pending:
            self._show("\n")

    def masked(self) -> str:
        return mask(self.text)

    def _show(self, fresh: str) -> None:
        whole, newline, rest = (self._pending + fresh).rpartition("\n")
        self._pending = rest
        if newline and self._on_text:
            self._on_text(mask(whole))
