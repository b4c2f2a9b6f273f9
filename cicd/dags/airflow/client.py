"""Asking a real Airflow, version 3 (`/api/v2`) or 2 (`/api/v1`)."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TypeVar

from cicd.dags.airflow.access import Access
from cicd.dags.airflow.protocol import (
    Folder,
    Version,
    dags_request,
    parse_path,
    problems_request,
    read_dags,
    read_problems,
    read_processor,
    read_source,
    source_path,
)
from cicd.dags.airflow.values import ImportProblem, ObservedDag
from headgate.clock import Clock
from headgate.errors import AuthenticationError, NotFoundError, RemoteStateError, ServerFaultError
from headgate.http import HttpClient, Response

_MOST_PAGES = 1000
_Item = TypeVar("_Item")
_Page = tuple[tuple[_Item, ...], int, int]


class AirflowClient:
    """The REST API at `url`. `timeout_s` bounds one request.

    Raises the errors of `HttpClient`; an address that answers neither version is a `NotFoundError`.
    """

    def __init__(self, url: str, access: Access, *, folder: Folder, timeout_s: float, clock: Clock) -> None:
        # Airflow 2 tells sources as plain text to those who do not ask for JSON.
        self._http = HttpClient(url, timeout_s=timeout_s, clock=clock, headers={"Accept": "application/json"})
        self._access = access
        self._folder = folder
        self._clock = clock
        self._version: Version | None = None
        self.ahead = timedelta(0)
        """How far Airflow's clock is ahead of ours, at most a second too much; 0 until it has answered."""

    def close(self) -> None:
        self._http.close()

    @property
    def version(self) -> Version:
        """The version of the API that the server speaks, found out with the first request."""
        if self._version is None:
            self._version = self._find_version()
        return self._version

    def _find_version(self) -> Version:
        """Airflow itself tells everybody, but a proxy before it may want to see credentials."""
        candidates: tuple[Version, ...] = ("v2", "v1")
        for candidate in candidates:
            path, headers = f"/api/{candidate}/version", self._access.early_headers()
            answer = self._http.request("GET", path, headers=headers, check=False)
            if answer.status == 404:
                continue
            self._access.check(answer)
            with contextlib.suppress(ServerFaultError):  # Airflow 2 may answer with its page for people
                answer.json()
                return candidate
        raise NotFoundError(
            "neither /api/v2/version nor /api/v1/version is there",
            where=self._http.base_url,
            next_step="Give the address of Airflow's API server (without /api), as the browser shows its start page.",
        )

    def look(self) -> tuple[tuple[ObservedDag, ...], tuple[ImportProblem, ...]]:
        version = self.version
        dags = self._pages(
            lambda offset: dags_request(version, offset, self._folder),
            lambda answer: read_dags(answer.json(), answer.where, self._folder),
        )
        problems = self._pages(
            lambda offset: problems_request(version, offset),
            lambda answer: read_problems(answer.json(), answer.where, self._folder),
        )
        return tuple({dag.dag_id: dag for dag in dags}.values()), problems

    def source(self, dag: ObservedDag) -> str | None:
        try:
            answer = self._get(source_path(self.version, dag))
        except NotFoundError:
            return None
        return read_source(answer.json(), answer.where)

    def request_parse(self, token: str) -> bool:
        try:
            self._send("PUT", parse_path(self.version, token))
        except (AuthenticationError, RemoteStateError):  # Airflow 2 before 2.9 has no such call
            return False
        return True

    def processor(self) -> tuple[str | None, datetime | None]:
        """Status and last sign of life of the DAG processor; None where Airflow does not say (Airflow 2)."""
        path = "/api/v2/monitor/health" if self.version == "v2" else "/api/v1/health"
        answer = self._get(path)
        return read_processor(answer.json(), answer.where)

    def _pages(
        self, request: Callable[[int], tuple[str, dict[str, str]]], read: Callable[[Response], _Page[_Item]]
    ) -> tuple[_Item, ...]:
        found: list[_Item] = []
        offset = 0
        for _ in range(_MOST_PAGES):
            path, params = request(offset)
            items, number, total = read(self._get(path, params))
            found += items
            offset += number
            if not number or offset >= total:
                break
        return tuple(found)

    def _get(self, path: str, params: dict[str, str] | None = None) -> Response:
        return self._send("GET", path, params)

    def _send(self, method: str, path: str, params: dict[str, str] | None = None) -> Response:
        """With credentials; once more with new ones when they were refused."""
        headers = self._access.headers(self._http, self.version)
        answer = self._http.request(method, path, params=params, headers=headers, check=False)
        if answer.status == 401 and self._access.renew():
            headers = self._access.headers(self._http, self.version)
            answer = self._http.request(method, path, params=params, headers=headers, check=False)
        self._set_clock(answer)
        self._access.check(answer)
        return answer

    def _set_clock(self, answer: Response) -> None:
        try:
            told = parsedate_to_datetime(answer.headers.get("date", ""))
        except ValueError:
            return
        if told.tzinfo is not None:
            self.ahead = told + timedelta(seconds=1) - self._clock.now()  # the header has whole seconds
