"""JSON forms of Jenkins' remote access API. Pure; names and types as in its OpenAPI description."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from cicd.sandbox.jenkins.controller import Build, Controller, Item, Job, build_url, job_url

Shape = dict[str, Any]

_BUILD = "org.jenkinsci.plugins.workflow.job.WorkflowRun"
_JOB = "org.jenkinsci.plugins.workflow.job.WorkflowJob"
_FOLDER = "com.cloudbees.hudson.plugins.folder.Folder"
_COLOURS = {"SUCCESS": "blue", "FAILURE": "red", "ABORTED": "aborted", "UNSTABLE": "yellow", "NOT_BUILT": "nobuilt"}
_KINDS = {
    "BooleanParameterDefinition": "BooleanParameterValue",
    "PasswordParameterDefinition": "PasswordParameterValue",
}


class Shapes:
    """Renders what the controller knows."""

    def __init__(self, controller: Controller) -> None:
        self._controller = controller

    @property
    def _url(self) -> str:
        return self._controller.url

    def root(self) -> Shape:
        return {
            "_class": "hudson.model.Hudson",
            "assignedLabels": [{"name": "built-in"}],
            "mode": "NORMAL",
            "nodeDescription": "the Jenkins controller's built-in node",
            "nodeName": "",
            "numExecutors": self._controller.executors,
            "description": None,
            "jobs": self.children(""),
            "overallLoad": {},
            "primaryView": {"_class": "hudson.model.AllView", "name": "all", "url": f"{self._url}/"},
            "quietDownReason": None,
            "quietingDown": False,
            "slaveAgentPort": -1,
            "unlabeledLoad": {"_class": "jenkins.model.UnlabeledLoadStatistics"},
            "url": f"{self._url}/",
            "useCrumbs": True,
            "useSecurity": True,
            "views": [{"_class": "hudson.model.AllView", "name": "all", "url": f"{self._url}/"}],
        }

    def children(self, folder: str) -> list[Shape]:
        """Jobs and folders directly in `folder` (empty: the top)."""
        found: dict[str, Shape] = {}
        head = f"{folder}/" if folder else ""
        for name, job in self._controller.jobs.items():
            if not name.startswith(head):
                continue
            first, deeper, _ = name[len(head) :].partition("/")
            url = job_url(self._url, head + first)
            found[first] = (
                {"_class": _FOLDER, "name": first, "url": url}
                if deeper
                else {"_class": _JOB, "name": first, "url": url, "color": self.colour(job)}
            )
        return list(found.values())

    def folder(self, name: str) -> Shape:
        return {
            "_class": _FOLDER,
            "name": name.rpartition("/")[2],
            "fullName": name,
            "displayName": name.rpartition("/")[2],
            "fullDisplayName": name.replace("/", " » "),
            "description": None,
            "url": job_url(self._url, name),
            "jobs": self.children(name),
        }

    @staticmethod
    def colour(job: Job) -> str:
        if not job.enabled:
            return "disabled"
        ended = [build for build in job.builds if build.result is not None]
        colour = _COLOURS[ended[-1].result or ""] if ended else "notbuilt"
        return f"{colour}_anime" if any(build.result is None for build in job.builds) else colour

    def job(self, job: Job, *, full: bool = False) -> Shape:
        """`full` writes builds out, for a `tree` to choose from; without it they are references, as in Jenkins."""
        show = self.build if full else self._reference
        base = job.name.rpartition("/")[2]
        waiting = [
            item for item in self._controller.items if item.job is job and item.build is None and not item.cancelled
        ]
        definitions = {
            "_class": "hudson.model.ParametersDefinitionProperty",
            "parameterDefinitions": [
                {
                    "_class": f"hudson.model.{parameter.kind}",
                    "defaultParameterValue": {
                        "_class": f"hudson.model.{_KINDS.get(parameter.kind, 'StringParameterValue')}",
                        "name": parameter.name,
                        "value": parameter.default,
                    },
                    "description": parameter.description,
                    "name": parameter.name,
                    "type": parameter.kind,
                }
                for parameter in job.parameters
            ],
        }
        return {
            "_class": _JOB,
            "actions": [definitions] if job.parameters else [],
            "description": None,
            "displayName": base,
            "displayNameOrNull": None,
            "fullDisplayName": job.name.replace("/", " » "),
            "fullName": job.name,
            "name": base,
            "url": job_url(self._url, job.name),
            "buildable": job.enabled,
            "builds": [show(build) for build in reversed(job.builds)],
            "color": self.colour(job),
            "firstBuild": self._reference(job.builds[0]) if job.builds else None,
            "healthReport": [],
            "inQueue": bool(waiting),
            "keepDependencies": False,
            **self._last_builds(job),
            "nextBuildNumber": len(job.builds) + 1,
            "property": [definitions] if job.parameters else [],
            "queueItem": self.item(waiting[0]) if waiting else None,
            "concurrentBuild": True,
            "resumeBlocked": False,
        }

    def _last_builds(self, job: Job) -> Shape:
        wanted: dict[str, Callable[[Build], bool]] = {
            "lastBuild": lambda _: True,
            "lastCompletedBuild": lambda build: build.result is not None,
            "lastFailedBuild": lambda build: build.result == "FAILURE",
            "lastStableBuild": lambda build: build.result == "SUCCESS",
            "lastSuccessfulBuild": lambda build: build.result in ("SUCCESS", "UNSTABLE"),
            "lastUnstableBuild": lambda build: build.result == "UNSTABLE",
            "lastUnsuccessfulBuild": lambda build: build.result not in (None, "SUCCESS"),
        }
        return {
            name: next((self._reference(build) for build in reversed(job.builds) if test(build)), None)
            for name, test in wanted.items()
        }

    def _reference(self, build: Build) -> Shape:
        return {"_class": _BUILD, "number": build.number, "url": build_url(self._url, build)}

    def item(self, item: Item) -> Shape:
        left = item.build is not None or item.cancelled
        kind = "LeftItem" if left else "BlockedItem" if (item.why or "").startswith("Build #") else "WaitingItem"
        shape = {
            "_class": f"hudson.model.Queue${kind}",
            "actions": [self._parameters(item.job, item.parameters), self._causes(item.user)],
            "blocked": kind == "BlockedItem",
            "buildable": False,
            "id": item.id,
            "inQueueSince": milliseconds(item.since.timestamp()),
            "params": "".join(f"\n{name}={value}" for name, value in item.parameters.items()),
            "stuck": False,
            "task": {
                "_class": _JOB,
                "name": item.job.name.rpartition("/")[2],
                "url": job_url(self._url, item.job.name),
                "color": self.colour(item.job),
            },
            "url": f"queue/item/{item.id}/",
            "why": item.why,
        }
        if left:
            shape |= {"cancelled": item.cancelled, "executable": self._reference(item.build) if item.build else None}
        return shape

    def build(self, build: Build) -> Shape:
        return {
            "_class": _BUILD,
            "actions": [self._causes(build.user), self._parameters(build.job, build.parameters), {}],
            "artifacts": [
                {"displayPath": name.rpartition("/")[2], "fileName": name.rpartition("/")[2], "relativePath": name}
                for name in build.artifacts
            ],
            "building": build.result is None,
            "description": None,
            "displayName": f"#{build.number}",
            "duration": build.duration_ms,
            "estimatedDuration": -1,
            "executor": {} if build.result is None else None,
            "fullDisplayName": f"{build.job.name.replace('/', ' » ')} #{build.number}",
            "id": str(build.number),
            "inProgress": build.result is None,
            "keepLog": False,
            "number": build.number,
            "queueId": build.queue_id,
            "result": build.result,
            "timestamp": milliseconds(build.started.timestamp()),
            "url": build_url(self._url, build),
            "changeSets": [],
            "culprits": [],
            "nextBuild": None,
            "previousBuild": None,
        }

    @staticmethod
    def _parameters(job: Job, values: Mapping[str, str]) -> Shape:
        kinds = {parameter.name: parameter.kind for parameter in job.parameters}
        return {
            "_class": "hudson.model.ParametersAction",
            "parameters": [
                {"_class": f"hudson.model.{_KINDS.get(kinds.get(name, ''), 'StringParameterValue')}", "name": name}
                # Jenkins never shows the value of a password parameter.
                | ({} if kinds.get(name) == "PasswordParameterDefinition" else {"value": value})
                for name, value in values.items()
            ],
        }

    @staticmethod
    def _causes(user: str) -> Shape:
        cause = {
            "_class": "hudson.model.Cause$UserIdCause",
            "shortDescription": f"Started by user {user}",
            "userId": user,
            "userName": user,
        }
        return {"_class": "hudson.model.CauseAction", "causes": [cause]}


def milliseconds(timestamp_s: float) -> int:
    return round(timestamp_s * 1000)


_RANGE = re.compile(r"\{(\d*),?(\d*)\}")


def cut_tree(shape: Any, tree: str) -> Any:
    """What Jenkins' `tree` parameter leaves: the named fields at each level, `_class`, and `{from,to}` of a list."""
    return _select(shape, _parse_tree(tree)) if tree else shape


def _parse_tree(text: str) -> dict[str, tuple[str, tuple[int, int] | None]]:
    """Field name -> (tree below it, range)."""
    found: dict[str, tuple[str, tuple[int, int] | None]] = {}
    position = 0
    while position < len(text):
        match = re.compile(r"[\w*]+").match(text, position)
        if match is None:
            position += 1
            continue
        name, position = match.group(), match.end()
        below = ""
        if text.startswith("[", position):
            end = _closing(text, position)
            below, position = text[position + 1 : end], end + 1
        limits = _RANGE.match(text, position)
        position = limits.end() if limits else position
        span = (int(limits[1] or 0), int(limits[2] or 0)) if limits else None
        found[name] = (below, span)
    return found


def _closing(text: str, start: int) -> int:
    depth = 0
    for position in range(start, len(text)):
        depth += {"[": 1, "]": -1}.get(text[position], 0)
        if depth == 0:
            return position
    return len(text)


def _select(shape: Any, wanted: Mapping[str, tuple[str, tuple[int, int] | None]]) -> Any:
    if isinstance(shape, list):
        return [_select(item, wanted) for item in shape]
    if not isinstance(shape, dict):
        return shape
    result = {"_class": shape["_class"]} if "_class" in shape else {}
    for name, (below, span) in wanted.items():
        if name not in shape:
            continue
        value = shape[name]
        if span is not None and isinstance(value, list):
            value = value[span[0] : span[1] or None]
        result[name] = _select(value, _parse_tree(below)) if below else value
    return result
