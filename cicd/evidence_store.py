"""Where the evidence of a release is kept: `.headgate/evidence/`, one file and one picture for each decided metric."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from deployments.analysis.evidence import evidence_document
from deployments.analysis.ports import Subject
from deployments.analysis.seen import Seen, draw
from headgate.clock import Clock

FOLDER = Path(".headgate") / "evidence"


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceFolder:
    """Keeps evidence below `root`. A folder that cannot be written to is a remark: it changes no verdict."""

    root: Path
    service: str
    environment: str
    clock: Clock
    say: Callable[[str], None]

    def keep(self, metric: str, subject: Subject, seen: Seen) -> str:
        """Write both files and return the path of the JSON, relative to `root`; empty when they cannot be written."""
        step = subject.arm.role if subject.step is None else f"step{subject.step}"
        parts = (self.environment, self.service, subject.arm.hash, step, metric, f"{self.clock.now():%Y%m%dT%H%M%SZ}")
        name = re.sub(r"[^A-Za-z0-9._-]+", "_", "-".join(parts))[:200]
        path = FOLDER / f"{name}.json"
        release = {
            "service": self.service,
            "environment": self.environment,
            "version_hash": subject.arm.hash,
            "role": subject.arm.role,
            "step": subject.step,
        }
        document = evidence_document(seen, release)
        try:
            (self.root / FOLDER).mkdir(parents=True, exist_ok=True)
            (self.root / path).write_text(json.dumps(document, allow_nan=False) + "\n", encoding="utf-8")
            (self.root / path).with_suffix(".svg").write_text(draw(metric, seen, release), encoding="utf-8")
        except OSError as error:
            self.say(f"warning: the evidence of {metric} could not be kept: {error}")
            return ""
        return path.as_posix()
