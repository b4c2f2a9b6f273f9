"""Credentials for Cloud Storage, through google-auth: workload identity, external accounts, gcloud logins; no key files."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Mapping
from typing import Any, Protocol

from headgate.errors import AuthenticationError, ConfigError
from headgate.secrets import Secret

STORAGE_SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"
_CLOUD_SCOPE = "https://www.googleapis.com/auth/cloud-platform"  # what the IAM Credentials API wants to see


class Credentials(Protocol):
    """Who asks. Thread-safe."""

    def headers(self) -> dict[str, str]:
        """Request headers that prove it; empty for nobody. Raises `AuthenticationError`."""
        ...

    def renew(self, refused: Mapping[str, str]) -> None:
        """The server refused these headers: get others for the next request, unless that has been done since."""
        ...


class Anonymous:
    """Nobody: for emulators."""

    def headers(self) -> dict[str, str]:
        return {}

    def renew(self, refused: Mapping[str, str]) -> None:  # noqa: ARG002 - the port
        return


class BearerToken:
    """A token that was handed to us and cannot be renewed."""

    def __init__(self, token: Secret) -> None:
        self._token = token

    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token.reveal()}"}

    def renew(self, refused: Mapping[str, str]) -> None:  # noqa: ARG002 - the port
        return


class ApplicationDefault:
    """Google's application default credentials, found and refreshed when first needed.

    `impersonate` is a service account to act as, `quota_project` the project that requests are counted for.
    """

    def __init__(
        self, *, scope: str = STORAGE_SCOPE, impersonate: str | None = None, quota_project: str | None = None
    ) -> None:
        self._mutex = threading.Lock()
        self._scope = scope
        self._impersonate = impersonate
        self._quota_project = quota_project
        self._found: Any = None

    def headers(self) -> dict[str, str]:
        with self._mutex:
            if self._found is None or not self._found.valid:
                self._refresh()
            proof = {"Authorization": f"Bearer {Secret(self._found.token).reveal()}"}
            project = getattr(self._found, "quota_project_id", None)
            return proof | ({"x-goog-user-project": project} if project else {})

    def renew(self, refused: Mapping[str, str]) -> None:
        with self._mutex:
            # Of several requests that were refused at once the first renews for all.
            if self._found is None or refused.get("Authorization") == f"Bearer {self._found.token}":
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
                self._found = self._find()
            self._found.refresh(google.auth.transport.requests.Request())
        except google.auth.exceptions.GoogleAuthError as error:
            raise AuthenticationError(
                f"no usable Google credentials: {str(error).splitlines()[0]}",
                next_step="Set up workload identity or GOOGLE_APPLICATION_CREDENTIALS, or run `gcloud auth application-default login`.",
            ) from error

    def _find(self) -> Any:
        import google.auth
        import google.auth.impersonated_credentials

        if self._impersonate is None:
            return _default(self._scope, quota_project_id=self._quota_project)
        endpoint = os.environ.get("CLOUDSDK_API_ENDPOINT_OVERRIDES_IAMCREDENTIALS", "").rstrip("/")
        path = f"/v1/projects/-/serviceAccounts/{self._impersonate}:generateAccessToken"
        return google.auth.impersonated_credentials.Credentials(
            iam_endpoint_override=f"{endpoint}{path}" if endpoint else None,
            source_credentials=_default(_CLOUD_SCOPE),
            target_principal=self._impersonate,
            target_scopes=[self._scope],
            quota_project_id=self._quota_project,
        )


def _default(scope: str, **more: str | None) -> Any:
    """The application default credentials for a scope.

    The scope is given afterwards: with one, google-auth asks Resource Manager for the project's name of a federated
    identity, which nobody needs here, and fails where that service cannot be reached.
    """
    import google.auth
    import google.auth.credentials

    # It would warn on stderr that it found no project.
    logging.getLogger("google.auth._default").setLevel(logging.ERROR)
    found, _ = google.auth.default(**more)
    return google.auth.credentials.with_scopes_if_required(found, [scope])


def default_credentials(
    *, anonymous: bool, impersonate: str | None = None, quota_project: str | None = None
) -> Credentials:
    """Application default credentials; nobody when an emulator is used."""
    return Anonymous() if anonymous else ApplicationDefault(impersonate=impersonate, quota_project=quota_project)
