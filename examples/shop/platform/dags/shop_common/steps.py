"""Tasks that run one step of the pipelines."""

from __future__ import annotations

from datetime import timedelta

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import Asset

HOME = "/opt/shop/platform"


def pipeline_step(step: str, *, outlets: tuple[Asset, ...] = ()) -> BashOperator:
    """A task that runs one step of `python -m pipelines.build` and fails when that fails."""
    return command(step, f"python -m pipelines.build --step {step}", outlets=outlets)


def command(task_id: str, line: str, *, outlets: tuple[Asset, ...] = ()) -> BashOperator:
    """A task that runs `line` in the platform's folder."""
    return BashOperator(
        task_id=task_id,
        bash_command=line,
        cwd=HOME,
        outlets=list(outlets),
        execution_timeout=timedelta(minutes=30),
    )
