"""Accounts, their rights, and tokens in the shape of Argo CD's: signed JSON web tokens."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any

from cicd.sandbox.argocd.wire import ApiError, Code
from headgate.clock import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """What an account may do with applications: patterns such as `get` or `action/argoproj.io/Rollout/*`.

    `projects` limits it to projects whose name matches. Nothing listed means nothing allowed.
    """

    actions: tuple[str, ...]
    projects: tuple[str, ...] = ("*",)

    def allows(self, action: str, project: str) -> bool:
        """Whether the action may be done to the applications of a project."""
        return any(fnmatchcase(action, pattern) for pattern in self.actions) and any(
            fnmatchcase(project, pattern) for pattern in self.projects
        )


ADMIN = Role(actions=("*",))
READER = Role(actions=("get",))
DEPLOYER = Role(actions=("get", "sync", "action/argoproj.io/Rollout/*"))
"""The least that Headgate needs: read, sync, and the Rollout's actions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A local account; without a password it can only be used with a token."""

    name: str
    role: Role
    password: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks: the account, and when the token was issued (it is part of refusals)."""

    account: Account
    issued_at: datetime


DEFAULT_ACCOUNTS = (
    Account(name="admin", role=ADMIN, password="admin"),  # noqa: S106 - a loopback sandbox, and it says so
    Account(name="headgate", role=DEPLOYER),
    Account(name="reader", role=READER),
)


class Accounts:
    """The accounts of one server. Tokens are valid for the life of the process: its key is made at random."""

    def __init__(self, accounts: Iterable[Account], clock: Clock) -> None:
        self._accounts = {account.name: account for account in accounts}
        self._clock = clock
        self._key = secrets.token_bytes(32)

    def token(self, name: str) -> str:
        """A bearer token of the account. Raises `KeyError` when there is no such account."""
        account = self._accounts[name]
        issued = int(self._clock.now().timestamp())
        payload = {"iss": "argocd", "sub": account.name, "nbf": issued, "iat": issued, "jti": secrets.token_hex(8)}
        signed = f"{_encode({'alg': 'HS256', 'typ': 'JWT'})}.{_encode(payload)}"
        return f"{signed}.{self._signature(signed)}"

    def log_in(self, name: str, password: str) -> str:
        """A token for a name and password. Raises `ApiError` (401 code 16) for anything but a match."""
        account = self._accounts.get(name)
        expected = account.password if account else ""
        if not expected or not hmac.compare_digest(expected.encode(), password.encode()):
            raise ApiError(Code.UNAUTHENTICATED, "Invalid username or password")
        return self.token(name)

    def identify(self, header: str | None) -> Caller | None:
        """The caller behind an `Authorization` header; None without one.

        Text without the three segments of a token counts as no token at all, as on the real server. Raises `ApiError`
        (401 code 16) for a token that is garbage, forged, or of an account that does not exist.
        """
        scheme, _, text = (header or "").partition(" ")
        if scheme.lower() != "bearer" or not text.strip():
            return None
        segments = text.strip().split(".")
        if len(segments) != 3:
            return None
        _decode(segments[0], "header")
        payload = _decode(segments[1], "claim")
        if not hmac.compare_digest(segments[2].encode(), self._signature(".".join(segments[:2])).encode()):
            raise _bad("token signature is invalid: signature is invalid")
        account = self._accounts.get(str(payload.get("sub")))
        if account is None:
            raise _bad(f"account {payload.get('sub')} does not exist")
        issued = datetime.fromtimestamp(int(payload["iat"]), tz=self._clock.now().tzinfo)
        return Caller(account=account, issued_at=issued)

    def _signature(self, signed: str) -> str:
        digest = hmac.new(self._key, signed.encode(), hashlib.sha256).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _bad(detail: str) -> ApiError:
    return ApiError(Code.UNAUTHENTICATED, f"invalid session: {detail}")


def _encode(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def _decode(text: str, part: str) -> dict[str, Any]:
    malformed = f"token is malformed: could not JSON decode {part}"
    try:
        content = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode("utf-8")
    except ValueError as error:
        raise _bad(f"token is malformed: could not base64 decode {part}") from error
    try:
        value = json.loads(content)
    except ValueError as error:
        raise _bad(f"{malformed}: invalid character {content[:1]!r} looking for beginning of value") from error
    if not isinstance(value, dict):
        raise _bad(malformed)
    return value
