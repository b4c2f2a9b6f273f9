"""Which changes a deployment delivered, and how long they were under way."""

from __future__ import annotations

from tests.observability.dora_cases.case import FIRST, Case, at, chg, dep

PICKED = "Fix\n\n(cherry picked from commit aaaaaaa1)"
ENVIRONMENT_COMMIT = "Release shop 1.2 to production\n\nSource-Commit: src2\nSource-Committed-At: 2026-03-03T07:00:00Z"

CASES = (
    Case(
        name="every listed commit is a change",
        records=[FIRST, dep("d2", "03T10", "c2@03T08", "c3@03T06", "c4@02T10")], n=2, lead=[2, 4, 24], links=["listed"] * 4,
    ),
    Case(
        name="commits without times are left out by name",
        records=[FIRST, dep("d2", "03T10", "c2", "c3@03T06")], n=2, lead=[4], out={"commit_time_unknown": 1},
    ),
    Case(
        name="a commit listed twice is one change",
        records=[FIRST, dep("d2", "03T10", "c2@03T08", "c2@03T08")], n=2, lead=[2],
    ),
    Case(
        name="a commit that the list before had is not delivered again",
        records=[FIRST, dep("d2", "03T10", "c2@03T08"), dep("d3", "04T10", "c2@03T08", "c3@04T08")],
        n=3, lead=[2, 2], out={"already_deployed": 1},
    ),
    Case(
        name="one commit with its time beside it",
        records=[FIRST, dep("d2", "03T10", sha="c2", committed_at=at("03T08"))], n=2, lead=[2], links=["listed", "recorded"],
    ),
    Case(
        name="the commit of the deployment may be an object",
        records=[FIRST, dep("d2", "03T10", commit={"sha": "c2", "committed_at": at("03T08")})], n=2, lead=[2],
    ),
    Case(name="a deployment without commits has no change to measure", records=[FIRST, dep("d2", "03T10")], n=2, out={"commit_unknown": 1}),
    Case(
        name="the change record knows the time of a plain commit",
        records=[FIRST, dep("d2", "03T10", "c2"), chg("!2", "03T09", "c2@03T08")], n=2, lead=[2],
    ),
    Case(
        name="the time arrives after the deployment",
        records=[FIRST, dep("d2", "03T10", "c2"), chg("!2", "03T11", "c2@03T08")], n=2, lead=[2],
    ),
    Case(
        name="a squash delivers the commits of the merge request",
        records=[FIRST, dep("d2", "03T10", "s2@03T09"), chg("!2", "03T09", "a@02T10", "b@03T06", squash_commit="s2")],
        n=2, lead=[4, 24], links=["listed", "listed", "listed"],
    ),
    Case(
        name="a recorded squash commit as well",
        records=[FIRST, dep("d2", "03T10", sha="s2"), chg("!2", "03T09", "a@02T10", "b@03T06", merge_commit_sha="s2")],
        n=2, lead=[4, 24], links=["listed", "change", "change"],
    ),
    Case(
        name="a merge commit beside its commits is no change of its own",
        records=[FIRST, dep("d2", "03T10", "m2@03T09", "a@03T06"), chg("!2", "03T09", "a@03T06", merge_commit="m2")],
        n=2, lead=[4],
    ),
    Case(
        name="a deployment that names merge requests delivers their commits",
        records=[FIRST, dep("d2", "03T10", changes=["!2", "!3"]), chg("!2", "03T09", "a@03T08"), chg("!3", "03T09", "b@03T06")],
        n=2, lead=[2, 4], links=["listed", "change", "change"],
    ),
    Case(
        name="a merge request of another service with the same number is not ours",
        records=[FIRST, dep("d2", "03T10", changes=["!2"]), chg("!2", "03T09", "x@01T08", service="cart")],
        n=2, out={"commit_unknown": 1},
    ),
    Case(
        name="a change is the commit when it says nothing else",
        records=[FIRST, {"type": "change", "id": "c2", "service": "shop", "at": at("03T08")}, dep("d2", "03T10", "c2")],
        n=2, lead=[2],
    ),
    Case(
        name="a time beside a list of one commit is that commit's",
        records=[FIRST, dep("d2", "03T10", "c2", committed_at=at("03T08"))], n=2, lead=[2],
    ),
    Case(
        name="a time beside the one commit of a change as well",
        records=[FIRST, dep("d2", "03T10", "c2"), chg("!2", "03T09", "c2", committed_at=at("03T08"))], n=2, lead=[2],
    ),
    Case(
        name="the time of the merge is not the time of the commit",
        records=[FIRST, dep("d2", "03T10", "c2"), chg("!2", "03T09", "c2", created_at=at("03T08"))],
        n=2, out={"commit_time_unknown": 1},
    ),
    Case(
        name="merges of the service go with the next deployment when it lists nothing",
        records=[FIRST, chg("!2", "03T09", "a@03T08", service="shop"), dep("d2", "03T10", version="2")],
        n=2, lead=[2], out={"commit_unknown": 1},
    ),
    Case(
        name="a deployment that lists its commits takes no others",
        records=[FIRST, chg("!2", "03T09", "a@03T08", service="shop"), dep("d2", "03T10", "c2@03T06")], n=2, lead=[4],
    ),
    Case(
        name="a merge after the deployment waits for the next",
        records=[FIRST, chg("!2", "03T11", "a@03T08", service="shop"), dep("d2", "03T10", sha="c2"), dep("d3", "04T08", sha="c3")],
        n=3, lead=[24], out={"commit_time_unknown": 2},
    ),
    Case(
        name="a cherry-pick is as old as its original",
        records=[FIRST, dep("d2", "03T10", {"sha": "p1", "time": at("03T09"), "cherry_picked_from": "o1"}), chg("!1", "03T11", "o1@03T04")],
        n=2, lead=[6],
    ),
    Case(
        name="the original of a delivered cherry-pick is not delivered again",
        records=[
            FIRST, dep("d2", "03T10", {"sha": "bbbbbbb2", "time": at("03T09"), "message": PICKED}),
            dep("d3", "04T10", "aaaaaaa1@03T08", "c3@04T08"),
        ],
        n=3, lead=[2, 2], out={"already_deployed": 1},
    ),
    Case(
        name="a cherry-pick of what is live is not new",
        records=[
            FIRST, dep("d2", "03T10", "o1@03T08"),
            dep("d3", "04T10", {"sha": "p1", "time": at("04T08"), "original": "o1"}, "c3@04T09"),
        ],
        n=3, lead=[1, 2], out={"already_deployed": 1},
    ),
    Case(
        name="GitOps: the trailer names the source commit",
        records=[FIRST, dep("d2", "03T10", {"sha": "env2", "time": at("03T09"), "message": ENVIRONMENT_COMMIT})],
        n=2, lead=[3],
    ),
    Case(
        name="GitOps: the trailer in the message of the deployment itself",
        records=[FIRST, dep("d2", "03T10", sha="env2", message=ENVIRONMENT_COMMIT)], n=2, lead=[3],
    ),
    Case(
        name="GitOps: the time of the source commit may come from its merge",
        records=[FIRST, dep("d2", "03T10", sha="env2", committed_at=at("03T09"), message="Release\n\nSource-Commit: src2"), chg("!2", "03T08", "src2@03T07")],
        n=2, lead=[3],
    ),
    Case(
        name="a commit from the future is null with a reason, never 0",
        records=[FIRST, dep("d2", "03T10", "c2@03T11")], n=2, out={"negative_span": 1},
    ),
    Case(name="a commit of the very moment has a lead time of 0", records=[FIRST, dep("d2", "03T10", "c2@03T10")], n=2, lead=[0]),
    Case(
        name="offsets are converted, not dropped",
        records=[FIRST, dep("d2", "2026-03-03T12:00:00+02:00", "c2@2026-03-03T03:00:00-05:00")], n=2, lead=[2],
    ),
    Case(
        name="the night in which the clock goes on: half past one to half past three is one hour",
        records=[FIRST, dep("d2", "2026-03-08T03:30:00-04:00", "c2@2026-03-08T01:30:00-05:00")], n=2, lead=[1],
    ),
    Case(
        name="an offset can move a deployment into the period",
        records=[dep("d0", "01T10", "c0"), dep("d1", "2026-03-01T23:30:00-01:00", "c1@01T22:30")], n=1, lead=[2], baseline=0,
    ),
    Case(
        name="an offset can move a deployment out of the period",
        records=[FIRST, dep("d2", "2026-03-16T01:00:00+02:00", "c2@15T22"), dep("d3", "2026-03-15T23:00:00-02:00", "c3")], n=2, lead=[1],
    ),
    Case(
        name="a failed deployment delivers nothing, the next one does",
        records=[FIRST, dep("d2", "03T10", "c2@03T08", status="failed"), dep("d3", "03T12", "c2@03T08", "c3@03T11")],
        n=3, failed=1, lead=[1, 4], recovery=[2],
    ),
    Case(
        name="a revert is a change of its own",
        records=[FIRST, dep("d2", "03T10", "c2@03T08"), dep("d3", "04T10", "c3@04T08"),
                 dep("d4", "05T10", {"sha": "r2", "time": at("05T09"), "reverts": "c2"})],
        n=4, lead=[1, 2, 2],
    ),
    Case(
        name="monorepo: commits of another service's merge are not ours",
        records=[FIRST, chg("!2", "03T09", "x@03T08", service="cart"), dep("d2", "03T10", version="2")], n=2, out={"commit_unknown": 1},
    ),
    Case(
        name="monorepo: one merge of two services counts for each",
        records=[FIRST, chg("!2", "03T09", "x@03T08", services=["cart", "shop"]), dep("d2", "03T10", version="2")],
        n=2, lead=[2], out={"commit_unknown": 1},
    ),
)  # fmt: skip
