"""The collector under fire: 20 000 webhooks from 20 clients, the server killed at random moments.

Prints how many were acknowledged, how often the server was killed, whether the log has every acknowledged event once,
and what the server (with its starts) took of a processor for each; then the same without kills, for the throughput.
Exit status 1 if an event is missing or there twice, or if fewer than 200 webhooks a second are taken.

Run: `.venv/bin/python benchmarks/collector/run.py [--webhooks 20000] [--clients 20] [--kills 25] [--seed 1]
[--store URL]`. Takes about three minutes on two cores. `--store postgresql://...` needs an empty schema.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.collector.storm import Outcome, Plan, Storm, find_faults

GOAL_PER_S = 200


def play(title: str, plan: Plan) -> tuple[Outcome, list[str]]:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    outcome = Storm(plan).run()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_ms = (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / plan.webhooks * 1000
    wrong = find_faults(outcome, plan)
    rate = len(outcome.acknowledged) / outcome.serving_seconds
    answers = ", ".join(f"{count} x {name}" for name, count in sorted(outcome.answers.items()))
    print(
        f"{title:<14} {len(outcome.acknowledged):>8} {outcome.kills:>6} {outcome.seconds:>9.1f} {rate:>10.0f} {cpu_ms:>9.2f}   {answers}"
    )
    for problem in wrong:
        print(f"  WRONG: {problem}")
    return outcome, wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--webhooks", type=int, default=20_000)
    parser.add_argument("--clients", type=int, default=20)
    parser.add_argument("--kills", type=int, default=25)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--store", default="sqlite:///events.db")
    given = parser.parse_args()
    print(f"{'run':<14} {'acknowl.':>8} {'kills':>6} {'seconds':>9} {'a second':>10} {'CPU ms':>9}   answers")
    wrong: list[str] = []
    rate = 0.0
    for title, kills in (("with kills", given.kills), ("without", 0)):
        if title == "without" and not given.store.startswith("sqlite"):
            continue  # one schema, one run
        with tempfile.TemporaryDirectory() as folder:
            plan = Plan(
                webhooks=given.webhooks, clients=given.clients, kills=kills, seed=given.seed, folder=Path(folder),
                store=given.store,
            )  # fmt: skip
            outcome, found = play(title, plan)
            wrong += found
            rate = len(outcome.acknowledged) / outcome.serving_seconds
    print(f"goals: every acknowledged event in the log, once; at least {GOAL_PER_S} a second; {rate:.0f}")
    return 1 if wrong or rate < GOAL_PER_S else 0


if __name__ == "__main__":
    sys.exit(main())
