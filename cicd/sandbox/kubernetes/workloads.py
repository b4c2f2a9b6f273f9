"""What runs in a pod: images with a behaviour, and the counters each running pod keeps."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass, field

from headgate.errors import ConfigError

BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Upper bounds of the latency histogram, seconds; one more bucket (+Inf) is implied."""
LATENCY_PATTERN = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.5, 1.7)
"""Ten requests take these multiples of `latency_s`; their mean is 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """How an image behaves.

    `error_ratio` (0 to 1) of its requests are answered with 500. `latency_s` is the mean answer time. `ready` False:
    the process runs but its readiness probe never passes. `crash_after_s`: the process ends so long after each start
    and is started again after a back-off, with counters from 0.
    """

    error_ratio: float = 0.0
    latency_s: float = 0.02
    ready: bool = True
    crash_after_s: float | None = None

    def __post_init__(self) -> None:
        if not 0.0 <= self.error_ratio <= 1.0:
            raise ConfigError(f"error_ratio {self.error_ratio} is not between 0 and 1")
        if not (self.latency_s >= 0 and math.isfinite(self.latency_s)):
            raise ConfigError(f"latency_s {self.latency_s} is not a length of time")


class Registry:
    """Published images. Publishing an image again changes the behaviour of its running pods at once."""

    def __init__(self) -> None:
        self._images: dict[str, Behaviour] = {}
        self._lock = threading.Lock()

    def publish(self, image: str, behaviour: Behaviour | None = None) -> None:
        """Make an image known; without a behaviour it is a healthy one."""
        with self._lock:
            self._images[image] = behaviour or Behaviour()

    def behaviour(self, image: str) -> Behaviour | None:
        """None for an image that was never published: its pods end in ImagePullBackOff."""
        with self._lock:
            return self._images.get(image)


@dataclass(slots=True, kw_only=True)
class Counters:
    """What one process has counted since its start; every series exists from the first moment, at 0."""

    app: str
    ok: int = 0
    bad: int = 0
    latency_sum_s: float = 0.0
    buckets: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS_S) + 1))

    def add(self, *, ok: int, bad: int, latency_s: float) -> None:
        """Count requests; latencies follow a fixed pattern around the mean, so that sums are exact and repeatable."""
        first = self.ok + self.bad
        self.ok += ok
        self.bad += bad
        total = ok + bad
        for place, factor in enumerate(LATENCY_PATTERN):
            number = len(range((place - first) % 10, total, 10))
            seconds = latency_s * factor
            self.buckets[_bucket(seconds)] += number
            self.latency_sum_s += seconds * number


def _bucket(seconds: float) -> int:
    return next((index for index, bound in enumerate(BUCKETS_S) if seconds <= bound), len(BUCKETS_S))


def render_metrics(counters: Counters, *, openmetrics: bool) -> str:
    """The /metrics page of one pod, as OpenMetrics 1.0 or as Prometheus text 0.0.4."""
    app = counters.app.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    family = "http_requests" if openmetrics else "http_requests_total"
    lines = [
        f"# HELP {family} Requests answered.",
        f"# TYPE {family} counter",
        f'http_requests_total{{app="{app}",status="200"}} {counters.ok}',
        f'http_requests_total{{app="{app}",status="500"}} {counters.bad}',
        "# HELP http_request_duration_seconds Time to answer.",
        "# TYPE http_request_duration_seconds histogram",
    ]
    running = 0
    for bound, number in zip((*map(str, BUCKETS_S), "+Inf"), counters.buckets, strict=True):
        running += number
        lines.append(f'http_request_duration_seconds_bucket{{app="{app}",le="{bound}"}} {running}')
    lines.append(f'http_request_duration_seconds_sum{{app="{app}"}} {round(counters.latency_sum_s, 6)}')
    lines.append(f'http_request_duration_seconds_count{{app="{app}"}} {running}')
    if openmetrics:
        lines.append("# EOF")
    return "\n".join(lines) + "\n"
