"""Calls to GitLab's REST API over python-gitlab, with our own timeouts, retries and error mapping.

python-gitlab retries a POST after 503 when told to retry (and so doubles notes), sleeps through 429 by itself, and
stops lists after 20 items; all three are switched off or spelled out here, once.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from cicd.gitlab.errors import translate
from headgate.errors import HeadgateError, RateLimitedError, RemoteTimeoutError, ServerFaultError, UnreachableError

if TYPE_CHECKING:
    import gitlab

    from headgate.clock import Clock

T = TypeVar("T")

_ATTEMPTS = 3
_FIRST_PAUSE_S = 0.5
_PASSING = (RateLimitedError, RemoteTimeoutError, ServerFaultError, UnreachableError)
_ONCE: dict[str, Any] = {"obey_rate_limit": False, "retry_transient_errors": False, "max_retries": 0}


class GitLabApi:
    """One project's endpoints. Reads are tried three times with growing, jittered pauses; writes once.

    Every method raises a `HeadgateError` and nothing else. Paths are relative to the project, with a leading slash.
    """

    def __init__(self, client: gitlab.Gitlab, project: str, clock: Clock) -> None:
        from gitlab.utils import EncodedId

        self._client = client
        self._root = f"/projects/{EncodedId(project)}"
        self._name = f"{client.url.rstrip('/')}/{project}"
        self._clock = clock

    def get(self, path: str, **query: Any) -> Mapping[str, Any]:
        return _object(self._repeat(path, lambda: self._client.http_get(self._root + path, query_data=query, **_ONCE)))

    def get_global(self, path: str) -> Mapping[str, Any]:
        """GET outside of the project, such as `/user`."""
        return _object(self._repeat(path, lambda: self._client.http_get(path, **_ONCE)))

    def list(self, path: str, **query: Any) -> list[Mapping[str, Any]]:
        """All pages of a list."""

        def fetch() -> list[Mapping[str, Any]]:
            items = self._client.http_list(
                self._root + path, query_data={"per_page": 100, **query}, get_all=True, **_ONCE
            )
            return [_object(item) for item in items]

        return self._repeat(path, fetch)

    def page(self, path: str, number: int, **query: Any) -> Sequence[Mapping[str, Any]]:
        """One page of a list, counted from 1."""

        def fetch() -> Sequence[Mapping[str, Any]]:
            items = self._client.http_list(
                self._root + path, query_data={**query, "page": number}, get_all=False, **_ONCE
            )
            return [_object(item) for item in items]

        return self._repeat(path, fetch)

    def post(self, path: str, data: Mapping[str, Any]) -> Mapping[str, Any]:
        return _object(
            self._mapped(path, lambda: self._client.http_post(self._root + path, post_data=dict(data), **_ONCE))
        )

    def upload(self, path: str, name: str, content: bytes, content_type: str) -> Mapping[str, Any]:
        """POST a file as the field `file` of a form."""
        files = {"file": (name, content, content_type)}
        return _object(self._mapped(path, lambda: self._client.http_post(self._root + path, files=files, **_ONCE)))

    def put(self, path: str, data: Mapping[str, Any]) -> Mapping[str, Any]:
        return _object(
            self._mapped(path, lambda: self._client.http_put(self._root + path, post_data=dict(data), **_ONCE))
        )

    def delete(self, path: str) -> None:
        self._mapped(path, lambda: self._client.http_delete(self._root + path, **_ONCE))

    def close(self) -> None:
        self._client.session.close()

    def pause(self, attempt: int) -> None:
        """Wait before attempt number `attempt` + 1 (from 0): half a second doubling, with half of it random."""
        span = _FIRST_PAUSE_S * 2**attempt
        self._clock.sleep(span * (0.5 + random.random() / 2))  # noqa: S311 - jitter, not a secret

    def _repeat(self, path: str, read: Callable[[], T]) -> T:
        for attempt in range(_ATTEMPTS - 1):
            try:
                return self._mapped(path, read)
            except _PASSING:
                self.pause(attempt)
        return self._mapped(path, read)

    def _mapped(self, path: str, call: Callable[[], T]) -> T:
        import requests
        from gitlab.exceptions import GitlabError

        try:
            return call()
        except HeadgateError:
            raise
        except (GitlabError, requests.RequestException, KeyError, TypeError, ValueError) as error:
            raise translate(error, where=f"{self._name}{path}") from error


def _object(answer: Any) -> Mapping[str, Any]:
    # python-gitlab hands the raw response over when its content type is not JSON: a login page, a proxy's page.
    if not isinstance(answer, Mapping):
        raise ServerFaultError(
            "the answer is not a JSON object",
            where="GitLab",
            next_step="Check that the forge URL in headgate.yaml is that of a GitLab server, without a login page before it.",
        )
    return answer
