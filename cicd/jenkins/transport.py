"""Requests to Jenkins over jenkinsapi's Requester: timeouts, retries of reads only, CSRF crumbs, mapped errors.

jenkinsapi's own `CrumbRequester` is not used: it reads the crumb as Python source and sends a refused POST twice.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from cicd.jenkins.errors import translate, translate_status
from headgate.errors import (
    HeadgateError,
    NotFoundError,
    RateLimitedError,
    RemoteTimeoutError,
    ServerFaultError,
    UnreachableError,
)

if TYPE_CHECKING:
    import requests

    from headgate.clock import Clock
    from headgate.secrets import Secret

T = TypeVar("T")

_ATTEMPTS = 3
_FIRST_PAUSE_S = 0.5
_PASSING = (RateLimitedError, RemoteTimeoutError, ServerFaultError, UnreachableError)


class Transport:
    """GET with bounded retries and POST without, for one controller. Raises `HeadgateError` and nothing else."""

    def __init__(self, url: str, user: str, token: Secret, *, clock: Clock, timeout_s: float) -> None:
        import requests
        from jenkinsapi.custom_exceptions import JenkinsAPIException
        from jenkinsapi.utils.requester import Requester

        # ValueError: credentials that no header can hold.
        self._raised = (requests.RequestException, JenkinsAPIException, ValueError)
        self.url = url.rstrip("/")
        self._requester = Requester(
            username=user, password=token.reveal(), baseurl=self.url, timeout=timeout_s, max_retries=0
        )
        self._clock = clock
        self._crumb: Mapping[str, str] | None = None

    def close(self) -> None:
        self._requester.session.close()

    def get_json(self, path: str, **params: str) -> Mapping[str, Any]:
        """The JSON object at `path` (relative to the controller, with a leading slash)."""
        return self._repeat(lambda: self._read_object(path, params))

    def _read_object(self, path: str, params: Mapping[str, str]) -> Mapping[str, Any]:
        response = self._get(path, params)
        try:
            parsed = response.json()
        except ValueError as error:
            raise translate(error, where=self.url + path) from error
        if not isinstance(parsed, dict):
            raise ServerFaultError("the answer is not a JSON object", where=self.url + path, next_step="Check the URL.")
        return parsed

    def get_text(self, path: str, **params: str) -> tuple[str, Mapping[str, str]]:
        """Text and headers at `path`; the text is UTF-8, with replacement."""
        response = self._repeat(lambda: self._get(path, params))
        return response.content.decode("utf-8", "replace"), response.headers

    def post(self, path: str, data: Mapping[str, str]) -> requests.Response:
        """POST a form once, with a crumb. A refused crumb (it ends with the session) is renewed once.

        A 403 means that nothing was done, so that sending it again is safe; no other answer is followed by a repetition.
        """
        response = self._post(path, data)
        if response.status_code == 403 and "crumb" in response.text.lower():
            self._crumb = None
            response = self._post(path, data)
        if response.status_code not in (200, 201):
            raise translate_status(response.status_code, response.text, where=self.url + path)
        return response

    def _post(self, path: str, data: Mapping[str, str]) -> requests.Response:
        headers = {"Content-Type": "application/x-www-form-urlencoded", **self._crumb_header()}
        try:
            # Not following redirects: requests would turn the POST into a GET.
            response: requests.Response = self._requester.post_url(
                self.url + path, data=dict(data) or " ", headers=headers, allow_redirects=False
            )
        except self._raised as error:
            raise self._mapped(error, path) from error
        return response

    def _crumb_header(self) -> Mapping[str, str]:
        if self._crumb is None:
            try:
                issued = self.get_json("/crumbIssuer/api/json")
                self._crumb = {str(issued["crumbRequestField"]): str(issued["crumb"])}
            except NotFoundError:
                self._crumb = {}  # CSRF protection is off on this controller
            except KeyError as error:
                raise ServerFaultError(
                    "the crumb issuer's answer holds no crumb", where=self.url, next_step="Check the URL."
                ) from error
        return self._crumb

    def _get(self, path: str, params: Mapping[str, str]) -> requests.Response:
        try:
            response: requests.Response = self._requester.get_url(
                self.url + path, params=dict(params), allow_redirects=False
            )
        except self._raised as error:
            raise self._mapped(error, path) from error
        if response.status_code != 200:
            raise translate_status(response.status_code, response.text, where=self.url + path)
        return response

    def _mapped(self, error: Exception, path: str) -> HeadgateError:
        return translate(error, where=self.url + path)

    def _repeat(self, read: Callable[[], T]) -> T:
        for attempt in range(_ATTEMPTS - 1):
            try:
                return read()
            except _PASSING:
                self._clock.sleep(_FIRST_PAUSE_S * 2**attempt * (0.5 + random.random() / 2))  # noqa: S311 - jitter
        return read()
