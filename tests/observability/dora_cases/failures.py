"""Which deployments failed, when production had recovered, and what was rework."""

from __future__ import annotations

from tests.observability.dora_cases.case import FIRST, SECOND, Case, at, dep, inc

ROLLBACK = {"type": "rollback", "id": "rb", "service": "shop", "environment": "production"}

CASES = (
    Case(
        name="V1, V2, V1 marks V2",
        records=[FIRST, SECOND, dep("d3", "03T11", "c1@02T08")],
        n=3, failed=1, rework=1, lead=[2], recovery=[1], out={"already_deployed": 1},
    ),
    Case(
        name="V1, V2, V1 by version alone",
        records=[dep("d1", "02T10", version="1"), dep("d2", "03T10", version="2"), dep("d3", "03T11", version="1")],
        n=3, failed=1, rework=1, recovery=[1], out={"commit_unknown": 1, "already_deployed": 1},
    ),
    Case(
        name="V1, V1 is no rollback",
        records=[FIRST, dep("d2", "03T10", "c1@02T08")], n=2, out={"already_deployed": 1},
    ),
    Case(
        name="V1, V2, V2, V1 marks the V2 that was live",
        records=[FIRST, SECOND, dep("d3", "03T11", "c2@03T08"), dep("d4", "03T12", "c1@02T08")],
        n=4, failed=1, rework=1, lead=[2], recovery=[1], out={"already_deployed": 2},
    ),
    Case(
        name="V1, V2, V3, V1 marks V3 alone",
        records=[FIRST, SECOND, dep("d3", "04T10", "c3@04T08"), dep("d4", "04T11", "c1@02T08")],
        n=4, failed=1, rework=1, lead=[2, 2], recovery=[1], out={"already_deployed": 1},
    ),
    Case(
        name="a deployment that names the one it turns back",
        records=[FIRST, SECOND, dep("d3", "03T12", "c1@02T08", rollback_of="d2")],
        n=3, failed=1, rework=1, lead=[2], recovery=[2], out={"already_deployed": 1},
    ),
    Case(
        name="a deployment that is only called a rollback turns back the one before",
        records=[FIRST, SECOND, dep("d3", "03T12", version="old", rollback=True)],
        n=3, failed=1, rework=1, lead=[2], recovery=[2], out={"commit_unknown": 1},
    ),
    Case(
        name="a rollback record is a failure and its end, and no deployment",
        records=[FIRST, SECOND, ROLLBACK | {"deployment": "d2", "at": at("03T10:30")}],
        n=2, failed=1, lead=[2], recovery=[0.5],
    ),
    Case(
        name="a rollback record that names nothing turns back what is live",
        records=[FIRST, SECOND, ROLLBACK | {"at": at("03T11")}], n=2, failed=1, lead=[2], recovery=[1],
    ),
    Case(
        name="a deployment that was rolled back says so itself",
        records=[FIRST, dep("d2", "03T10", "c2@03T08", status="rolled_back", rolled_back_at=at("03T10:15"))],
        n=2, failed=1, lead=[2], recovery=[0.25],
    ),
    Case(
        name="a rollback that failed is no recovery; the next sound deployment is",
        records=[FIRST, SECOND, ROLLBACK | {"deployment": "d2", "at": at("03T11"), "status": "failed"}, dep("d3", "03T13", "c3@03T12")],
        n=3, failed=1, rework=1, lead=[1, 2], recovery=[3],
    ),
    Case(
        name="bringing V1 back after a rollback had done so is no second failure",
        records=[FIRST, SECOND, ROLLBACK | {"deployment": "d2", "at": at("03T11")}, dep("d3", "03T12", "c1@02T08")],
        n=3, failed=1, lead=[2], recovery=[1], out={"already_deployed": 1},
    ),
    Case(
        name="the next deployment reverts a commit of this one",
        records=[FIRST, dep("d2", "03T10", "ccccccc2@03T08"),
                 dep("d3", "03T12", {"sha": "r1", "time": at("03T11"), "message": "Revert\n\nThis reverts commit ccccccc2."})],
        n=3, failed=1, rework=1, lead=[1, 2], recovery=[2],
    ),
    Case(
        name="a failed deployment recovers with the next good one",
        records=[FIRST, dep("d2", "03T10", "c2@03T08", status="failed"), dep("d3", "03T13", "c3@03T12")],
        n=3, failed=1, lead=[1], recovery=[3],
    ),
    Case(
        name="a failed deployment does not recover with another failed one",
        records=[
            FIRST, dep("d2", "03T10", "c2@03T08", status="failed"), dep("d3", "03T11", "c3@03T08", status="failed"),
            dep("d4", "03T13", "c4@03T12"),
        ],
        n=4, failed=2, lead=[1], recovery=[2, 3],
    ),
    Case(
        name="an incident makes the live deployment fail until it is resolved",
        records=[FIRST, SECOND, inc("i1", "03T11", "03T13")], n=2, failed=1, lead=[2], recovery=[3],
    ),
    Case(
        name="an incident in two records",
        records=[FIRST, SECOND, inc("i1", "03T11"), {"type": "incident", "id": "i1", "status": "resolved", "at": at("03T13")}],
        n=2, failed=1, lead=[2], recovery=[3],
    ),
    Case(
        name="an incident told again when it is resolved",
        records=[FIRST, SECOND, inc("i1", "03T11", status="open"), inc("i1", "03T11", "03T13", status="closed")],
        n=2, failed=1, lead=[2], recovery=[3],
    ),
    Case(
        name="two incidents on one deployment are one failure, over with the last",
        records=[FIRST, SECOND, inc("i1", "03T11", "03T14"), inc("i2", "03T12", "03T13")],
        n=2, failed=1, lead=[2], recovery=[4],
    ),
    Case(
        name="an open incident is not recovered",
        records=[FIRST, SECOND, inc("i1", "03T11"), dep("d3", "04T10", "c3@04T08")],
        n=3, failed=1, lead=[2, 2], unrecovered={"incident_open": 1},
    ),
    Case(
        name="an incident before any deployment is nobody's",
        records=[inc("i0", "02T09", "02T09:30"), FIRST, SECOND], n=2, lead=[2], unattributed=["i0"],
    ),
    Case(
        name="an incident before a deployment is not that deployment's",
        records=[FIRST, SECOND, inc("i1", "03T09:59", "03T11")], n=2, failed=1, lead=[2], recovery=[25],
    ),
    Case(
        name="an incident long after the deployment is not blamed by time",
        records=[FIRST, SECOND, inc("i1", "05T10", "05T11")], n=2, lead=[2], unattributed=["i1"],
    ),
    Case(
        name="an incident at the edge of the window is",
        records=[FIRST, SECOND, inc("i1", "04T10", "04T11")], n=2, failed=1, lead=[2], recovery=[25],
    ),
    Case(
        name="an incident that names its deployment is not blamed on the nearest",
        records=[FIRST, SECOND, inc("i1", "03T11", "03T12", deployment="d1")], n=2, failed=1, lead=[2], recovery=[26],
    ),
    Case(
        name="an incident that names the commit is not blamed on the nearest",
        records=[FIRST, SECOND, inc("i1", "03T11", "03T12", commit="c1")], n=2, failed=1, lead=[2], recovery=[26],
    ),
    Case(
        name="an incident that names an artifact is not blamed on the nearest",
        records=[dep("d1", "02T10", "c1", artifact="pkg:a@1"), dep("d2", "03T10", "c2@03T08", artifact="pkg:a@2"),
                 inc("i1", "03T11", "03T12", artifact="pkg:a@1")],
        n=2, failed=1, lead=[2], recovery=[26],
    ),
    Case(
        name="an incident of a deployment that nobody knows is nobody's",
        records=[FIRST, SECOND, inc("i1", "03T11", deployment="d9")], n=2, lead=[2], unattributed=["i1"],
    ),
    Case(
        name="an incident of another service is not ours",
        records=[FIRST, SECOND, inc("i1", "03T11", "03T12", service="cart")], n=2, lead=[2], unattributed=["i1"],
    ),
    Case(
        name="an incident in staging is not production's",
        records=[FIRST, SECOND, inc("i1", "03T11", "03T12", environment="staging")], n=2, lead=[2],
    ),
    Case(
        name="an incident without an environment is production's where there is one",
        records=[FIRST, SECOND, dep("s1", "03T10:30", "c3", environment="staging"), inc("i1", "03T11", "03T13", environment=None)],
        n=2, failed=1, lead=[2], recovery=[3],
    ),
    Case(
        name="a dismissed incident is none",
        records=[FIRST, SECOND, inc("i1", "03T11", "03T12"), inc("i1", "03T11", status="false_positive")], n=2, lead=[2],
    ),
    Case(
        name="a resolution before the deployment is a negative span, not 0",
        records=[FIRST, SECOND, inc("i1", "03T10:30", "03T09")], n=2, failed=1, lead=[2], unrecovered={"negative_span": 1},
    ),
    Case(
        name="a hotfix marks the deployment before it and is rework",
        records=[FIRST, SECOND, dep("d3", "03T12", "h1@03T11", hotfix=True)], n=3, failed=1, rework=1, lead=[1, 2], recovery=[2],
    ),
    Case(
        name="an unplanned deployment of the same version fixes nothing",
        records=[FIRST, SECOND, dep("d3", "03T12", "c2@03T08", unplanned=True)],
        n=3, rework=1, lead=[2], out={"already_deployed": 1},
    ),
    Case(
        name="a hotfix that names its incident leaves the deployment before it alone",
        records=[
            FIRST, dep("d2", "03T10", "c2@03T08"), inc("i1", "03T11", "03T13", deployment="d1"),
            dep("d3", "03T12:30", "h1@03T12", fixes="i1"),
        ],
        n=3, failed=1, rework=1, lead=[0.5, 2], recovery=[27],
    ),
    Case(
        name="parallel hotfix: the slower release that began before it is not undone",
        records=[
            FIRST, SECOND,
            dep("h", "03T11:20", "h1@03T11", hotfix=True, started_at=at("03T11:10")),
            dep("d3", "03T11:40", "c3@03T09:40", "h1@03T11", started_at=at("03T11:00")),
        ],
        n=4, failed=1, rework=1, lead=[1 / 3, 2, 2], recovery=[4 / 3], out={"already_deployed": 1},
    ),
    Case(
        name="a failure of the period may recover after it",
        records=[FIRST, dep("d2", "15T22", "c2@15T20"), inc("i1", "15T23", "16T02")], n=2, failed=1, lead=[2], recovery=[4],
    ),
    Case(
        name="a failure before the period is not of the period",
        records=[dep("d0", "01T22", "c0@01T20"), inc("i1", "02T01", "02T02"), dep("d1", "03T10", "c1@03T08")],
        n=1, lead=[2], baseline=0,
    ),
    Case(
        name="canceled rollback: a person withdrew nothing",
        records=[FIRST, SECOND, ROLLBACK | {"deployment": "d2", "at": at("03T11"), "status": "canceled"}], n=2, lead=[2],
    ),
    Case(
        name="the failure began when the emitter says so",
        records=[FIRST, dep("d2", "03T10", "c2@03T08", failed_at=at("03T12"), status="rolled_back", rolled_back_at=at("03T13"))],
        n=2, failed=1, lead=[2], recovery=[1],
    ),
)  # fmt: skip
