"""The section `dags` of `headgate.yaml`. A module of its own, because a push without the file needs no other section."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints, model_validator

from cicd.config import dags_terms
from cicd.config.airflow import AirflowConfig
from cicd.config.section import Name, Section


class DagTargetConfig(Section):
    """A bucket (and prefix) that Composer reads."""

    bucket: Annotated[str, StringConstraints(pattern=dags_terms.BUCKET)]
    """`gs://bucket/prefix`, `s3://bucket/prefix` or `file:///folder`."""
    keep_releases: int = Field(default=dags_terms.KEEP_RELEASES, ge=1, le=1000)
    """How many past releases can be rolled back to."""
    max_delete_ratio: float = Field(default=dags_terms.MAX_DELETE_RATIO, ge=0, le=1)
    """A plan that would delete more than this share of the owned files is refused unless --allow-mass-delete."""
    timeout_s: float = Field(default=dags_terms.TIMEOUT_S, gt=0, le=3600)
    """Bound of one request."""
    settle_s: float = Field(default=dags_terms.SETTLE_S, ge=0, le=3600)
    """Pause after new helpers arrived and before helpers are deleted, for readers that copy the folder in turns."""
    refuse_older: bool = False
    """Refuse to push a commit that is an ancestor of the one in force; `dags rollback` is not concerned."""
    airflow: AirflowConfig | None = None
    """The Airflow that reads the bucket, to wait until it has parsed a release."""
    impersonate: str | None = None
    """Service account to act as at `gs://`, from the credentials of the job (roles/iam.serviceAccountTokenCreator)."""
    quota_project: str | None = None
    """Google project that requests are counted for at `gs://`."""
    profile: str | None = None
    """Profile of the AWS configuration to use at `s3://`, such as one with a role of another account."""

    @model_validator(mode="after")
    def _identity_fits(self) -> DagTargetConfig:
        for name, scheme in (("impersonate", "gs"), ("quota_project", "gs"), ("profile", "s3")):
            if getattr(self, name) is not None and not self.bucket.startswith(f"{scheme}://"):
                raise ValueError(f"{name}: only for {scheme}:// targets")
        return self


class DagsConfig(Section):
    """Delivery of DAGs from Git to buckets."""

    source: str = dags_terms.SOURCE
    """Folder in the repository whose tree at a commit is delivered."""
    project: Name = dags_terms.PROJECT
    """Name of the bundle; events call the service `dags/<project>`."""
    include: tuple[str, ...] = dags_terms.INCLUDE
    """Globs, relative to `source`, of what is delivered."""
    exclude: tuple[str, ...] = dags_terms.EXCLUDE
    """Globs of what is left out; wins over `include`."""
    zip: bool = False
    """Deliver the tree as one file `<project>.zip`: releases change in one step, DAG files must lie at the root."""
    targets: dict[Name, DagTargetConfig]
    """Targets by environment name."""
