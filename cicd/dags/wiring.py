"""From configuration or flags to bundles: what the commands act on."""

from __future__ import annotations

import difflib
import os
import re
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import uuid4

from cicd.config import dags_terms
from cicd.dags.alive import describe_process
from cicd.dags.git.tree import Selection
from cicd.dags.lock import LockTerms
from cicd.dags.planning import Rules
from cicd.dags.proposal import Bundle
from cicd.dags.target import Identity, open_target
from headgate.clock import Clock
from headgate.errors import ConfigError

if TYPE_CHECKING:
    from cicd.config.airflow import AirflowConfig
    from cicd.config.dags import DagsConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """One target with the settings that belong to it.

    `environment` is None when only a URL was given. `configured` tells whether it comes from `headgate.yaml`, whose
    folder `source` then counts from; otherwise that is the working directory.
    """

    environment: str | None
    configured: bool
    url: str
    project: str
    source: str
    include: tuple[str, ...]
    exclude: tuple[str, ...]
    keep_releases: int
    max_delete_ratio: float
    timeout_s: float
    settle_s: float
    refuse_older: bool
    zip: bool
    identity: Identity
    airflow: AirflowConfig | None

    @property
    def name(self) -> str:
        """What messages call it."""
        return self.environment or self.url

    def selection(self, ref: str) -> Selection:
        return Selection(source=self.source, ref=ref, include=self.include, exclude=self.exclude)


@dataclass(frozen=True, slots=True, kw_only=True)
class Permissions:
    """What the command line allows beyond the safe default, and where it overrules the target's settings."""

    adopt: bool = False
    repair: bool = False
    allow_mass_delete: bool = False
    allow_root: bool = False
    allow_overlap: bool = False
    refuse_older: bool = False
    settle_s: float | None = None


def choose_destinations(config: DagsConfig, names: Sequence[str], *, every: bool) -> tuple[Destination, ...]:
    """The configured targets called `names`; without names the only one, or all when `every`.

    Raises `ConfigError` for an unknown name, and when there is a choice and none was made.
    """
    if not names:
        if len(config.targets) != 1 and not every:
            raise ConfigError(
                f"there are {len(config.targets)} targets: {', '.join(config.targets) or 'none'}",
                where="dags.targets",
                next_step="Choose with --env NAME (several times for several).",
            )
        names = tuple(config.targets)
    return tuple(_configured(config, name) for name in dict.fromkeys(names))


def _configured(config: DagsConfig, name: str) -> Destination:
    target = config.targets.get(name)
    if target is None:
        near = difflib.get_close_matches(name, config.targets, n=1)
        known = f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(config.targets) or 'none'}."
        raise ConfigError(f"there is no DAG target {name!r}", where="dags.targets", next_step=known)
    return Destination(
        environment=name,
        configured=True,
        url=target.bucket,
        project=config.project,
        source=config.source,
        include=config.include,
        exclude=config.exclude,
        keep_releases=target.keep_releases,
        max_delete_ratio=target.max_delete_ratio,
        timeout_s=target.timeout_s,
        settle_s=target.settle_s,
        refuse_older=target.refuse_older,
        zip=config.zip,
        identity=Identity(impersonate=target.impersonate, quota_project=target.quota_project, profile=target.profile),
        airflow=target.airflow,
    )


def destination_from_flags(
    url: str, *, project: str | None, source: str | None, environment: str | None
) -> Destination:
    """A destination without configuration, with the defaults of the configuration's model. Raises `ConfigError`."""
    for option, value, form in (
        ("--target", url, dags_terms.BUCKET),
        ("--project", project, dags_terms.NAME),
        ("--env", environment, dags_terms.NAME),
    ):
        if value is not None and not _has_form(value, form):
            raise ConfigError(
                f"{value!r} is not in the form {form}",
                where=option,
                next_step="Write --target gs://BUCKET/dags, s3://BUCKET/dags or file:///absolute/folder, --project and"
                f" --env in lower case with at most {dags_terms.NAME_LENGTH} characters.",
            )
    return Destination(
        environment=environment,
        configured=False,
        url=url,
        project=dags_terms.PROJECT if project is None else project,
        source=dags_terms.SOURCE if source is None else source,
        include=dags_terms.INCLUDE,
        exclude=dags_terms.EXCLUDE,
        keep_releases=dags_terms.KEEP_RELEASES,
        max_delete_ratio=dags_terms.MAX_DELETE_RATIO,
        timeout_s=dags_terms.TIMEOUT_S,
        settle_s=dags_terms.SETTLE_S,
        refuse_older=False,
        zip=False,
        identity=Identity(),
        airflow=None,
    )


def _has_form(value: str, form: str) -> bool:
    fits = re.search(form, value) is not None and "\n" not in value
    return fits and (form != dags_terms.NAME or len(value) <= dags_terms.NAME_LENGTH)


def open_bundle(
    destination: Destination, permissions: Permissions, *, clock: Clock, environ: Mapping[str, str] | None = None
) -> Bundle:
    """The bundle at a destination, ready to be read or delivered; nothing is contacted yet."""
    target = open_target(
        destination.url,
        timeout_s=destination.timeout_s,
        allow_root=permissions.allow_root,
        clock=clock,
        identity=destination.identity,
    )
    # A write may take a whole time-out: the lease must outlast it, and no write may begin that it does not cover.
    margin_s = destination.timeout_s + 10
    return Bundle(
        project=destination.project,
        target=target,
        lock=LockTerms(
            holder=describe_run(os.environ if environ is None else environ),
            token=uuid4().hex,
            lease_s=max(120.0, 3 * margin_s),
            margin_s=margin_s,
            process=describe_process(),
        ),
        rules=Rules(
            adopt=permissions.adopt,
            repair=permissions.repair,
            max_delete_ratio=destination.max_delete_ratio,
            allow_mass_delete=permissions.allow_mass_delete,
        ),
        keep_releases=destination.keep_releases,
        allow_overlap=permissions.allow_overlap,
        refuse_older=permissions.refuse_older or destination.refuse_older,
        settle_s=destination.settle_s if permissions.settle_s is None else permissions.settle_s,
    )


def describe_run(environ: Mapping[str, str]) -> str:
    """Who is running: the URL of the CI job or build, else user, machine and process."""
    job = environ.get("CI_JOB_URL") or environ.get("BUILD_URL")
    if job:
        return job
    user = environ.get("USER") or environ.get("USERNAME") or "unknown user"
    return f"{user}@{socket.gethostname()} (process {os.getpid()})"
