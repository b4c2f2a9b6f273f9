"""The section `dags.targets.*.airflow` of `headgate.yaml`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from cicd.config.section import Section, Url


class AirflowConfig(Section):
    """The Airflow that reads the target: deliveries wait until it has parsed them."""

    url: Url
    """Address of the API server, without `/api`; token in HEADGATE_AIRFLOW_TOKEN, or HEADGATE_AIRFLOW_USER and HEADGATE_AIRFLOW_PASSWORD."""
    auth: Literal["auto", "token", "password", "google", "none"] = "auto"
    """Who asks. `auto`: the token, else user and password, else Google's credentials where the address is Cloud Composer's, else nobody."""
    wait: bool = True
    """Whether `dags push` and `dags rollback` wait; `--wait` and `--no-wait` overrule it."""
    wait_s: float = Field(default=300.0, gt=0, le=86400)
    """How long to wait; more than Airflow takes to find a new file (`refresh_interval`, 300 s by default)."""
    sync_s: float | None = Field(default=None, ge=0, le=3600)
    """How long the bucket takes to reach Airflow's disk; what was parsed before says nothing. By default 60, for `file://` 0."""
    poll_s: float = Field(default=2.0, gt=0)
    """Pause between two looks."""
    timeout_s: float = Field(default=30.0, gt=0)
    """Bound of one request."""
    rollback_on: tuple[Literal["failure", "undecided"], ...] = ()
    """When to bring the release before back: `failure` is an import error, `undecided` that Airflow could not be asked or time was up."""
    bundle: str | None = None
    """Name of the DAG bundle (Airflow 3) that reads the target; by default every bundle's files count."""
    path: str | None = None
    """Where the target lies below Airflow's DAG folder; by default what follows the last `dags` in its URL."""
    folder: str | None = None
    """The DAG folder on Airflow's machines, which Airflow 2 names files by; by default Composer's, MWAA's, or that of `file://`."""
