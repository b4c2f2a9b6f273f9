"""Deployment records: one per release."""

from __future__ import annotations

import pytest

from cicd.gitlab.deployments import DeploymentPlan, ExistingDeployment, decide_deployment
from cicd.gitlab.port import DeploymentRecord, DeploymentState

RUNNING, SUCCESS, FAILED = DeploymentState.RUNNING, DeploymentState.SUCCESS, DeploymentState.FAILED


def existing(number: int, sha: str, state: DeploymentState) -> ExistingDeployment:
    return ExistingDeployment(id=number, sha=sha, state=state)


@pytest.mark.parametrize(
    ("found", "wanted", "plan"),
    [
        ([], RUNNING, DeploymentPlan()),
        ([existing(1, "a", RUNNING)], RUNNING, DeploymentPlan(keep=1)),
        ([existing(1, "a", RUNNING)], SUCCESS, DeploymentPlan(update=1)),
        ([existing(1, "a", SUCCESS)], SUCCESS, DeploymentPlan(keep=1)),
        ([existing(1, "a", FAILED)], RUNNING, DeploymentPlan()),
        ([existing(1, "a", FAILED)], SUCCESS, DeploymentPlan()),
        ([existing(1, "b", RUNNING)], RUNNING, DeploymentPlan()),
        ([existing(2, "b", SUCCESS), existing(1, "a", SUCCESS)], SUCCESS, DeploymentPlan()),
        ([existing(1, "b", SUCCESS), existing(2, "a", RUNNING)], FAILED, DeploymentPlan(update=2)),
    ],
)
def test_plan(found: list[ExistingDeployment], wanted: DeploymentState, plan: DeploymentPlan) -> None:
    record = DeploymentRecord(environment="prod", sha="a", ref="main", state=wanted)
    assert decide_deployment(found, record) == plan
    assert decide_deployment(found[::-1], record) == plan
