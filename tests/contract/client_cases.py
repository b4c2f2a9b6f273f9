"""Headgate's own Argo CD client: what it learns of rights, and how it names what is refused."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from deployments.argocd.client import ArgoCd
from deployments.argocd.sansio import AppRef, ResourceRef
from headgate.errors import AuthenticationError, HeadgateError, NotFoundError
from headgate.http import HttpClient
from headgate.secrets import Secret
from tests.contract.replay import Report
from tests.contract.servers import Servers

# May it get, sync, and run an action?
RIGHTS = {"admin": (True, True, True), "reader": (True, False, False)}
Call = Callable[[ArgoCd], None]


def _sync(argocd: ArgoCd) -> None:
    argocd.sync(revision="f" * 40, nonce="n")


def _read(argocd: ArgoCd) -> None:
    argocd.application()


# Account, application (None: the one that is there), call, what it ends in.
REFUSALS: tuple[tuple[str, str | None, Call, type[HeadgateError]], ...] = (
    ("reader", None, _sync, AuthenticationError),
    ("garbage", None, _sync, AuthenticationError),
    ("garbage", None, _read, AuthenticationError),
    ("admin", "none", _read, NotFoundError),
    ("admin", "none", _sync, NotFoundError),
)


def play(servers: Servers, app: str) -> Report:
    """Ask about `app`, which must be there."""
    report = Report()
    for account, expected in RIGHTS.items():
        with contextlib.closing(_client(servers, account, app)) as argocd:
            rollout = ResourceRef(namespace="shop", name=app)
            found = (argocd.may("get"), argocd.may("sync"), argocd.may_run(rollout, "abort"))
            who = (argocd.user(), argocd.application().name)
        report.answers += 5
        if (found, who) != (expected, (account, app)):
            report.problems.append(f"client as {account}: {who}: {found}, expected {expected}")
    for account, name, call, expected_error in REFUSALS:
        with contextlib.closing(_client(servers, account, name or app)) as argocd:
            said = _error(call, argocd)
        report.answers += 1
        if type(said) is not expected_error:
            report.problems.append(f"client as {account}, {name or app}: {said!r}, expected {expected_error.__name__}")
    return report


def _client(servers: Servers, account: str, app: str) -> ArgoCd:
    url, token = servers.argocd(account)
    headers: dict[str, str | Secret] = {"Authorization": f"Bearer {token}"}
    return ArgoCd(HttpClient(url, timeout_s=30, headers=headers), AppRef(name=app, project="default"))


def _error(call: Call, argocd: ArgoCd) -> HeadgateError | None:
    try:
        call(argocd)
    except HeadgateError as error:
        return error
    return None
