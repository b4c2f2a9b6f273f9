"""The policy file of `headgate analysis run`: what is tolerated, and how often the judge may be wrong.

YAML or JSON. Keys of a metric given at the top hold for every metric; `metrics` holds those that are different for
one. With `metrics`, these are what is judged and each of them must be in the recording; without it, every metric that
is in the recording.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from deployments.analysis.judge.model import JudgePolicy, Kind, MetricPolicy, Pairing, Worse, default_policy
from headgate.errors import ConfigError


class MetricKeys(BaseModel):
    """How one metric is judged; the meaning of each key is that of `deployments.analysis.judge.model.MetricPolicy`."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    kind: Kind | None = None
    max_ratio_increase: float | None = Field(default=None, ge=0)
    max_absolute_increase: float | None = Field(default=None, ge=0)
    margin_ratio: float | None = Field(default=None, ge=0)
    margin_absolute: float | None = Field(default=None, ge=0)
    worse: Worse | None = None
    slo_index: int | None = Field(default=None, ge=0)
    share: float | None = Field(default=None, gt=0, lt=1)
    share_from: str | None = None
    pairing: Pairing | None = None
    min_total: int | None = Field(default=None, ge=0)
    min_intervals: int | None = Field(default=None, ge=1)
    thin_s: float | None = Field(default=None, ge=0)
    weight: float | None = Field(default=None, gt=0)


class PolicyFile(MetricKeys):
    """The whole file."""

    alpha: float = Field(default=0.05, gt=0, lt=1)
    beta: float = Field(default=0.05, gt=0, lt=1)
    max_faults: int = Field(default=0, ge=0)
    metrics: dict[str, MetricKeys] | None = Field(default=None, min_length=1)


def load_policy(path: Path) -> PolicyFile:
    """Read the file. Raises `ConfigError` with every problem."""
    import yaml

    class Unique(yaml.SafeLoader):
        """Refuses a key that is there twice: which of the two was meant?"""

        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
            keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
            twice = next((key for key in keys if keys.count(key) > 1), None)
            if twice is not None:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {twice!r} is there twice", node.start_mark
                )
            return super().construct_mapping(node, deep=deep)

    try:
        found = yaml.load(path.read_text(encoding="utf-8"), Loader=Unique)  # noqa: S506 - it is a SafeLoader
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise ConfigError(
            f"the policy cannot be read: {error}", where=str(path), next_step="Write YAML or JSON."
        ) from error
    return parse_policy(found, where=str(path))


def parse_policy(found: object, *, where: str) -> PolicyFile:
    """The policy in a parsed document. Raises `ConfigError` with every problem."""
    if not isinstance(found, dict):
        raise ConfigError("the policy is not a mapping", where=where, next_step="Write it as in docs/analysis.md.")
    try:
        return PolicyFile.model_validate(found)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(str(part) for part in problem['loc']) or 'the file'}: {problem['msg']}"
            for problem in error.errors()
        )
        raise ConfigError(problems, where=where, next_step="The keys are in docs/analysis.md.") from error


def build_policy(file: PolicyFile | None, kinds: Mapping[str, Kind]) -> JudgePolicy:
    """The judge's policy for the metrics of a recording (and those that the file asks for). `file` None: the default."""
    if file is None:
        return default_policy(kinds)
    common = _given(file)
    wanted = file.metrics if file.metrics is not None else {name: MetricKeys() for name in kinds}
    metrics = tuple(
        MetricPolicy(name=name, **({"kind": kinds.get(name, Kind.RATIO)} | common | _given(keys)))
        for name, keys in wanted.items()
    )
    return JudgePolicy(metrics=metrics, alpha=file.alpha, beta=file.beta, max_faults=file.max_faults)


def _given(keys: MetricKeys) -> dict[str, Any]:
    """The keys that were written down; the others keep the judge's defaults."""
    return {
        name: value
        for name in MetricKeys.model_fields
        if name in keys.model_fields_set and (value := getattr(keys, name)) is not None
    }
