"""The safety of DAG delivery in full: what the test suite does in part, on file, gs and s3.

SIGKILL at every request and every operation on files; 503, 429, reset and truncated answers at every call; races of 2
and of 20 processes; readers during 200 releases. The numbers of injected points and how the processes ended are printed.

    .venv/bin/python benchmarks/dags/safety.py                    100 rounds of each race: about 40 minutes
    .venv/bin/python benchmarks/dags/safety.py --rounds 10        about 10 minutes
    .venv/bin/python benchmarks/dags/safety.py --only pipelines   the races alone; any expression of pytest's -k
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TESTS = ("test_processes.py", "test_faults.py", "test_reader.py", "test_zipped.py")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--releases", type=int, default=200)
    parser.add_argument("--only", default="", metavar="EXPRESSION")
    options = parser.parse_args()
    environ = {
        **os.environ,
        "HEADGATE_RACE_ROUNDS": str(options.rounds),
        "HEADGATE_READER_RELEASES": str(options.releases),
        "HEADGATE_KILL_STEP": "1",
        "HEADGATE_FAULTS": "all",
    }
    command = [sys.executable, "-m", "pytest", "-q", "--timeout=0", *(f"tests/cicd/dags/{name}" for name in TESTS)]
    return subprocess.run([*command, "-k", options.only], cwd=ROOT, env=environ, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
