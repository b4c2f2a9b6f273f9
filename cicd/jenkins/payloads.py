"""Jenkins' JSON, read at the edge into what Headgate uses of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cicd.jenkins.port import BuildOutcome
from headgate.errors import ServerFaultError


class Foreign(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, populate_by_name=True)


class _Parameter(Foreign):
    name: str
    value: Any = None


class _Action(Foreign):
    """An action of an item or build; most are empty objects, and plug-ins add their own."""

    parameters: tuple[_Parameter, ...] = ()
    parameter_definitions: tuple[_Parameter, ...] = Field(default=(), alias="parameterDefinitions")


class _WithActions(Foreign):
    actions: tuple[_Action | None, ...] = ()

    def parameter(self, name: str) -> str | None:
        """The value of a build parameter as text, None when the build has no such parameter."""
        for action in self.actions:
            for parameter in action.parameters if action else ():
                if parameter.name == name:
                    return str(parameter.value)
        return None


class JobData(_WithActions):
    """A job: whether it may be built, and the parameters it declares."""

    buildable: bool = True
    properties: tuple[_Action | None, ...] = Field(default=(), alias="property")

    @property
    def parameter_names(self) -> frozenset[str]:
        holders = (*self.properties, *self.actions)
        return frozenset(p.name for holder in holders if holder for p in holder.parameter_definitions)


class _Executable(Foreign):
    number: int


class QueueItemData(_WithActions):
    """An item of the queue: `why` it waits, and what became of it."""

    id: int
    why: str | None = None
    cancelled: bool = False
    executable: _Executable | None = None


class BuildData(_WithActions):
    """A build; `result` is None while it runs, `duration` is in milliseconds and 0 while it runs."""

    number: int
    queue_id: int = Field(default=-1, alias="queueId")
    url: str = ""
    building: bool = False
    result: str | None = None
    duration: int = 0

    @property
    def outcome(self) -> BuildOutcome:
        """Raises `ServerFaultError` for a result that Jenkins does not have."""
        try:
            return BuildOutcome(self.result or "")
        except ValueError as error:
            raise ServerFaultError(
                f"Jenkins gave the unknown build result {self.result!r}", next_step="Look at the build in Jenkins."
            ) from error


T = TypeVar("T", bound=Foreign)


def parse(model: type[T], payload: Mapping[str, Any]) -> T:
    """`payload` as `model`. Raises `ServerFaultError` naming the field that is missing or wrong."""
    try:
        return model.model_validate(payload)
    except ValidationError as error:
        first = error.errors()[0]
        raise ServerFaultError(
            f"an answer of Jenkins lacks {'.'.join(map(str, first['loc']))} ({first['msg']})",
            next_step="Check that deploy.jenkins.url in headgate.yaml is that of a Jenkins controller.",
        ) from error
