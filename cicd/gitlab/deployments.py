"""Deployment records: what has to change so that one release leaves one record. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cicd.gitlab.port import DeploymentRecord, DeploymentState


@dataclass(frozen=True, slots=True, kw_only=True)
class ExistingDeployment:
    """A deployment record of the environment in question."""

    id: int
    sha: str
    state: DeploymentState


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentPlan:
    """`keep` or `update` hold the id of a record; both None means that a new one is needed."""

    keep: int | None = None
    update: int | None = None


def decide_deployment(existing: Sequence[ExistingDeployment], wanted: DeploymentRecord) -> DeploymentPlan:
    """Continue the newest record of the environment if it is of the same commit, else start a new one.

    A finished record is never changed into another end: deploying a commit again after something else, or trying
    again after a failure, is another deployment. `existing` may come in any order.
    """
    newest = max(existing, key=lambda item: item.id, default=None)
    if newest is None or newest.sha != wanted.sha:
        return DeploymentPlan()
    if newest.state is wanted.state:
        return DeploymentPlan(keep=newest.id)
    if newest.state is DeploymentState.RUNNING:
        return DeploymentPlan(update=newest.id)
    return DeploymentPlan()
