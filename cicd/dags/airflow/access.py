"""Who asks Airflow: a token, a user with a password, or Google's credentials. Secrets come from the environment only."""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Mapping
from typing import Literal, Protocol
from urllib.parse import urlsplit

from cicd.dags.airflow.protocol import Version, read_token
from cicd.dags.stores.gcs_auth import ApplicationDefault
from headgate.errors import AuthenticationError, ConfigError
from headgate.http import HttpClient, Response, error_for_status
from headgate.secrets import Secret, read_secret

TOKEN, USER, PASSWORD = "HEADGATE_AIRFLOW_TOKEN", "HEADGATE_AIRFLOW_USER", "HEADGATE_AIRFLOW_PASSWORD"
_GOOGLE_HOSTS = (".composer.googleusercontent.com", ".composer.cloud.google.com")
_GOOGLE_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
AccessKind = Literal["auto", "token", "password", "google", "none"]


class Access(Protocol):
    """Proof of who asks."""

    def headers(self, http: HttpClient, version: Version) -> dict[str, str | Secret]:
        """Headers of a request. Raises `AuthenticationError`."""
        ...

    def early_headers(self) -> dict[str, str | Secret]:
        """Headers of a request that is made before the version is known; empty where that has to be known first."""
        ...

    def renew(self) -> bool:
        """The headers were refused: whether new ones can be had."""
        ...

    def check(self, answer: Response) -> None:
        """Raises the error that an answer's status stands for."""
        ...


class _Checked:
    """Errors that say which credentials were refused."""

    hint = ""

    def early_headers(self) -> dict[str, str | Secret]:
        return {}

    def check(self, answer: Response) -> None:
        error = error_for_status(answer)
        if error is None:
            return
        if isinstance(error, AuthenticationError):
            rights = "Give the account the right to read DAGs, their code and import errors (role Viewer)."
            error.next_step = self.hint if answer.status == 401 else rights
        raise error


class Anonymous(_Checked):
    """Nobody."""

    hint = f"Set {TOKEN}, or {USER} and {PASSWORD}."

    def headers(self, http: HttpClient, version: Version) -> dict[str, str | Secret]:  # noqa: ARG002 - the port
        return {}

    def renew(self) -> bool:
        return False


class BearerToken(_Checked):
    """A token that was handed to us and cannot be renewed."""

    hint = f"The token in {TOKEN} is wrong or has expired: make a new one."

    def __init__(self, token: Secret) -> None:
        self._header = {"Authorization": Secret(f"Bearer {token.reveal()}")}

    def headers(self, http: HttpClient, version: Version) -> dict[str, str | Secret]:  # noqa: ARG002 - the port
        return self.early_headers()

    def early_headers(self) -> dict[str, str | Secret]:
        return dict(self._header)

    def renew(self) -> bool:
        return False


class Password(_Checked):
    """A user and a password: exchanged for a token at Airflow 3 (`POST /auth/token`), sent as they are to Airflow 2."""

    hint = f"Check {USER} and {PASSWORD}."

    def __init__(self, user: str, password: Secret) -> None:
        self._user, self._password = user, password
        self._token: Secret | None = None

    def headers(self, http: HttpClient, version: Version) -> dict[str, str | Secret]:
        if version == "v1":
            pair = b64encode(f"{self._user}:{self._password.reveal()}".encode()).decode()
            return {"Authorization": Secret(f"Basic {pair}")}
        if self._token is None:
            body = {"username": self._user, "password": self._password.reveal()}
            answer = http.request("POST", "/auth/token", json=body, idempotent=True, check=False)
            self.check(answer)
            self._token = Secret(read_token(answer.json(), answer.where))
        return {"Authorization": Secret(f"Bearer {self._token.reveal()}")}

    def renew(self) -> bool:
        had, self._token = self._token is not None, None
        return had


class Google(_Checked):
    """Google's application default credentials, for Cloud Composer: no key file is needed."""

    hint = "Give the account the role Composer User, and the Airflow role Viewer."

    def __init__(self, credentials: ApplicationDefault | None = None) -> None:
        self._found = credentials or ApplicationDefault(scope=_GOOGLE_SCOPE)
        self._last: dict[str, str] = {}

    def headers(self, http: HttpClient, version: Version) -> dict[str, str | Secret]:  # noqa: ARG002 - the port
        return self.early_headers()

    def early_headers(self) -> dict[str, str | Secret]:
        self._last = self._found.headers()
        return dict(self._last)

    def renew(self) -> bool:
        self._found.renew(self._last)
        return True


def choose_access(kind: AccessKind, url: str, environ: Mapping[str, str] | None = None) -> Access:
    """The access that the configuration and the environment give.

    `auto`: a token, else user and password, else Google's credentials for an address of Cloud Composer, else nobody.
    Raises `ConfigError` when what was asked for is not set.
    """
    environ = os.environ if environ is None else environ
    token, password = read_secret(TOKEN, environ), read_secret(PASSWORD, environ)
    user = environ.get(USER) or None  # a name, no secret: masking it would mask ordinary words
    composer = (urlsplit(url).hostname or "").endswith(_GOOGLE_HOSTS)
    if kind == "token" or (kind == "auto" and token is not None):
        return BearerToken(_required(token, TOKEN))
    if kind == "password" or (kind == "auto" and (user or password) is not None):
        if user is None:
            raise ConfigError(f"{USER} is not set", next_step=f"Set {USER}, or change airflow.auth.")
        return Password(user, _required(password, PASSWORD))
    if kind == "google" or (kind == "auto" and composer):
        return Google()
    return Anonymous()


def _required(secret: Secret | None, name: str) -> Secret:
    if secret is None:
        raise ConfigError(f"{name} is not set", next_step=f"Set {name} or {name}_FILE, or change airflow.auth.")
    return secret
