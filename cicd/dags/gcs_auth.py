"""Credentials for Cloud Storage, through google-auth: workload identity, external accounts, gcloud logins; no key files."""

from __future__ import annotations

import threading
from typing import Any, Protocol

from headgate.errors import AuthenticationError, ConfigError
from headgate.secrets import Secret

_SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"


class Credentials(Protocol):
    """Who asks. Thread-safe."""

    def headers(self) -> dict[str, str]:
        """Request headers that prove it; empty for nobody. Raises `AuthenticationError`."""
        ...

    def renew(self) -> None:
        """The server refused the headers: get new ones for the next request."""
        ...


class Anonymous:
    """Nobody: for emulators."""

    def headers(self) -> dict[str, str]:
        return {}

    def renew(self) -> None:
        return


class BearerToken:
    """A token that was handed to us and cannot be renewed."""

    def __init__(self, token: Secret) -> None:
        self._token = token

    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token.reveal()}"}

    def renew(self) -> None:
        return


class ApplicationDefault:
    """Google's application default credentials, found and refreshed when first needed."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._found: Any = None

    def headers(self) -> dict[str, str]:
        with self._mutex:
            if self._found is None or not self._found.valid:
                self._refresh()
            return {"Authorization": f"Bearer {Secret(self._found.token).reveal()}"}

    def renew(self) -> None:
        with self._mutex:
            self._refresh()

    def _refresh(self) -> None:
        try:
            import google.auth
            import google.auth.exceptions
            import google.auth.transport.requests
        except ImportError as error:
            raise ConfigError(
                "gs:// targets need google-auth", next_step="Install it with `pip install 'headgate[gcs]'`."
            ) from error
        try:
            if self._found is None:
                self._found, _ = google.auth.default(scopes=[_SCOPE])
            self._found.refresh(google.auth.transport.requests.Request())
        except google.auth.exceptions.GoogleAuthError as error:
            raise AuthenticationError(
                f"no usable Google credentials: {str(error).splitlines()[0]}",
                next_step="Set up workload identity or GOOGLE_APPLICATION_CREDENTIALS, or run `gcloud auth application-default login`.",
            ) from error


def default_credentials(*, anonymous: bool) -> Credentials:
    """Application default credentials; nobody when an emulator is used."""
    return Anonymous() if anonymous else ApplicationDefault()
