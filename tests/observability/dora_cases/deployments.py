"""What is a deployment, and how many."""

from __future__ import annotations

from tests.observability.dora_cases.case import FIRST, SECOND, Case, dep

CASES = (
    Case(name="the first deployment is a baseline", records=[FIRST], n=1),
    Case(
        name="the first deployment does not claim all history",
        records=[dep("d1", "02T10", "a@01T08", "b@01T09", "c1@02T08"), SECOND],
        n=2, lead=[2], baseline=3,
    ),
    Case(name="the second has a lead time", records=[FIRST, SECOND], n=2, lead=[2]),
    Case(name="no status means it is done", records=[FIRST, dep("d2", "03T10", "c2@03T08", status=None)], n=2, lead=[2]),
    Case(
        name="a retry of the same id is an attempt",
        records=[FIRST, dep("d2", "03T09", "c2@03T08", status="failed"), dep("d2", "03T10", "c2@03T08", attempt=2)],
        n=2, lead=[2],
    ),
    Case(
        name="a retry under another id that says so is an attempt",
        records=[FIRST, dep("d2", "03T09", "c2@03T08", status="failed"), dep("d3", "03T10", "c2@03T08", retry_of="d2")],
        n=2, lead=[2],
    ),
    Case(
        name="a chain of retries is one deployment",
        records=[
            FIRST,
            dep("d2", "03T08:30", "c2@03T08", status="failed"),
            dep("d3", "03T09", "c2@03T08", status="failed", retry_of="d2"),
            dep("d4", "03T10", "c2@03T08", retry_of="d3"),
        ],
        n=2, lead=[2],
    ),
    Case(
        name="two jobs of one pipeline run are attempts while none has succeeded",
        records=[
            FIRST, dep("d2", "03T09", "c2@03T08", status="failed", pipeline_id=7), dep("d3", "03T10", "c2@03T08", pipeline_id=7),
        ],
        n=2, lead=[2],
    ),
    Case(
        name="the old pipeline run again after another version is a return, not an attempt",
        records=[
            dep("d1", "02T10", "c1@02T08", pipeline_id=1), dep("d2", "03T10", "c2@03T08", pipeline_id=2),
            dep("d3", "03T11", "c1@02T08", pipeline_id=1),
        ],
        n=3, failed=1, rework=1, lead=[2], recovery=[1], out={"already_deployed": 1},
    ),
    Case(
        name="all attempts failed: one failed deployment, not two",
        records=[FIRST, dep("d2", "03T09", "c2@03T08", status="failed"), dep("d2", "03T10", "c2@03T08", status="failed", attempt=2)],
        n=2, failed=1, unrecovered={"not_recovered": 1},
    ),
    Case(
        name="canceled is neither a deployment nor a failure",
        records=[FIRST, dep("d2", "03T10", "c2@03T08", status="canceled")], n=1, uncounted={"canceled": 1},
    ),
    Case(
        name="cancelled with two l is the same",
        records=[FIRST, dep("d2", "03T10", "c2@03T08", status="CANCELLED")], n=1, uncounted={"canceled": 1},
    ),
    Case(
        name="a canceled attempt and then a good one is a deployment",
        records=[FIRST, dep("d2", "03T09", "c2@03T08", status="canceled"), dep("d2", "03T10", "c2@03T08")],
        n=2, lead=[2],
    ),
    Case(
        name="commits of a canceled deployment go live with the next one",
        records=[FIRST, dep("d2", "03T09", "c2@03T08", status="canceled"), dep("d3", "03T12", "c2@03T08")],
        n=2, lead=[4], uncounted={"canceled": 1},
    ),
    Case(name="what is still running is nothing yet", records=[FIRST, dep("d2", "03T10", "c2@03T08", status="running")], n=1),
    Case(
        name="an error says that nobody knows",
        records=[FIRST, dep("d2", "03T10", "c2@03T08", status="error")], n=1, uncounted={"undetermined": 1},
    ),
    Case(name="the same line twice counts once", records=[FIRST, SECOND, SECOND], n=2, lead=[2]),
    Case(
        name="the same deployment told again with more of it counts once",
        records=[FIRST, dep("d2", "03T10"), dep("d2", "03T10", "c2@03T08", url="https://ci.example.com/2")], n=2, lead=[2],
    ),
    Case(
        name="staging does not count for production",
        records=[FIRST, SECOND, dep("s1", "03T09", "c2@03T08", environment="staging"), dep("s2", "04T09", "c3@03T08", environment="staging")],
        n=2, lead=[2],
    ),
    Case(
        name="live in staging first is still new in production",
        records=[FIRST, dep("d2", "02T12", "c2@02T11", environment="staging"), dep("d2", "03T10", "c2@02T11")],
        n=2, lead=[23],
    ),
    Case(
        name="a failure in staging is no failure of production",
        records=[FIRST, SECOND, dep("s1", "04T09", "c3@04T08", environment="staging", status="failed")], n=2, lead=[2],
    ),
    Case(
        name="the end of the period is not in it, its start is",
        records=[dep("d0", "01T10", "c0@01T08"), dep("d1", "02T00", "c1@01T22"), dep("d2", "16T00", "c2@15T22")],
        n=1, lead=[2], baseline=0,
    ),
    Case(
        name="what was before the period decides what is new in it",
        records=[dep("d0", "01T10", "c1@01T08"), dep("d1", "02T10", "c1@01T08")],
        n=1, baseline=0, out={"already_deployed": 1},
    ),
    Case(
        name="a late arrival takes its place in time",
        records=[SECOND, dep("d3", "04T10", "c3@04T08"), FIRST], n=3, lead=[2, 2],
    ),
    Case(
        name="the same version again is a deployment without a change",
        records=[FIRST, SECOND, dep("d3", "04T10", "c2@03T08")], n=3, lead=[2], out={"already_deployed": 1},
    ),
)  # fmt: skip
