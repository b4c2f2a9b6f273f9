"""The deployment that a CI server reports of a job, and the one that the job's own command records: one fact. Pure.

GitLab makes a deployment of every job with an `environment`, Jenkins' job for delivery is a deployment where the
collector's address says so. When such a job runs `headgate release` or `headgate dags`, both tell of it. Both then carry
the natural key of the job (`observability.identity`), and the log keeps the first: our own, as the job has not ended.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from urllib.parse import urlsplit

from observability.collector.facts import host, tiered
from observability.events import DELIVERY, DeliveryEvent
from observability.identity import natural_key
from observability.rows import NATURAL_KEY


def with_job_keys(batch: Sequence[DeliveryEvent], environ: Mapping[str, str]) -> tuple[DeliveryEvent, ...]:
    """The events, the job's own deployment with the key under which the CI server reports it.

    Nothing is changed outside of such a job, nor where it is not clear which of several deployments is the job's.
    """
    ours = [event for event in batch if event.kind in DELIVERY and _is_of_job(event, environ)]
    if len(ours) != 1:
        return tuple(batch)
    key = _job_key(environ, succeeded=ours[0].outcome in ("success", ""))
    return tuple(_keyed(event, key) if event is ours[0] else event for event in batch)


def _keyed(event: DeliveryEvent, key: str) -> DeliveryEvent:
    return replace(event, data=MappingProxyType({NATURAL_KEY: key, **event.data}))


def _is_of_job(event: DeliveryEvent, environ: Mapping[str, str]) -> bool:
    if environ.get("CI_JOB_ID") and environ.get("CI_PROJECT_ID"):
        name, action = environ.get("CI_ENVIRONMENT_NAME"), environ.get("CI_ENVIRONMENT_ACTION") or "start"
        names = {name, tiered(name, environ.get("CI_ENVIRONMENT_TIER"))} if name else set()
        return action == "start" and event.environment in names
    if environ.get("BUILD_NUMBER") and environ.get("JOB_URL"):
        return (event.service, event.environment) == (environ.get("SERVICE"), environ.get("ENVIRONMENT"))
    return False


def _job_key(environ: Mapping[str, str], *, succeeded: bool) -> str:
    """As the collector makes it from the server's webhook (`observability.collector.gitlab`, `.jenkins`)."""
    if environ.get("CI_JOB_ID"):
        where = host(environ.get("CI_PROJECT_URL"), "gitlab")
        return natural_key(
            provider="gitlab",
            project=f"{where}/{environ['CI_PROJECT_ID']}",
            subject=f"job/{environ['CI_JOB_ID']}",
            status="success" if succeeded else "failed",
        )
    url = environ["JOB_URL"]
    root = environ.get("JENKINS_URL") or f"{urlsplit(url).scheme}://{urlsplit(url).netloc}"
    path = url.removeprefix(root).strip("/")
    return natural_key(
        provider="jenkins",
        project=f"{host(url, 'jenkins')}/{path}",
        subject=f"build/{environ['BUILD_NUMBER']}",
        status="SUCCESS" if succeeded else "FAILURE",
    )
