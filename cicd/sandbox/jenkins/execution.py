"""One build: a fresh clone, the stages in order, post actions, and a result."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cicd.sandbox.globs import glob_pattern
from cicd.sandbox.jenkins.jenkinsfile import Parameter, PipelineFile, Setting, Step, parse_jenkinsfile
from cicd.sandbox.shell import ShellRun
from headgate.git import clone

JENKINSFILE = "Jenkinsfile"
_MASK = "****"
_POST_TIMEOUT_S = 300.0
_UNLIMITED_S = 86_400.0
_PASSED_ON = ("LANG", "LC_ALL", "TZ", "TMPDIR", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a build left; `parameters` None when the Jenkinsfile could not be read."""

    result: str
    artifacts: tuple[str, ...] = ()
    parameters: tuple[Parameter, ...] | None = None


class _Failed(Exception):  # noqa: N818 - a step's end, not an error of this program
    """A step failed; the message is the last line Jenkins prints."""


class Execution:
    """Runs one build; `abort` may be called from any thread."""

    def __init__(
        self, variables: Mapping[str, str], credentials: Mapping[str, str], extra_path: Sequence[Path], home: Path
    ) -> None:
        self._variables = dict(variables)
        self._credentials = credentials
        self._path = os.pathsep.join(
            [*map(str, extra_path), str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]
        )
        self._home = home
        self._aborted = False
        self._timed_out = False
        self._shell: ShellRun | None = None
        self._artifacts: list[str] = []
        self._deadline = time.monotonic() + _UNLIMITED_S
        self._log = Path(os.devnull)
        self._keep = Path(os.devnull)

    def abort(self) -> None:
        """End the running step with all its processes; later stages do not start, post actions do."""
        self._aborted = True
        if self._shell is not None:
            self._shell.cancel()

    def run(self, repo: str, branch: str, jenkinsfile: str | None, workspace: Path, folder: Path) -> Outcome:
        """Everything, up to the result; what happens is told in `folder/log`, artifacts go to `folder/archive`."""
        self._log, self._keep = folder / "log", folder / "archive"
        self._say(f"Started\nRunning in {workspace}")
        pipeline = None
        try:
            pipeline = self._prepare(repo, branch, jenkinsfile, workspace)
            result = self._pipeline(pipeline, workspace)
        except Exception as error:  # noqa: BLE001 - whatever a build does, the controller goes on with the next
            self._say(str(error))
            result = "ABORTED" if self._aborted else "FAILURE"
        shutil.rmtree(workspace, ignore_errors=True)
        self._say(f"Finished: {result}")
        return Outcome(
            result=result, artifacts=tuple(self._artifacts), parameters=pipeline.parameters if pipeline else None
        )

    def _prepare(self, repo: str, branch: str, jenkinsfile: str | None, workspace: Path) -> PipelineFile:
        shutil.rmtree(workspace, ignore_errors=True)
        git = clone(repo, workspace, options=["--branch", branch])
        self._variables |= {
            "WORKSPACE": str(workspace),
            "GIT_COMMIT": git.rev_parse("HEAD"),
            "GIT_BRANCH": f"origin/{branch}",
            "GIT_URL": repo,
        }
        if jenkinsfile is None:
            path = workspace / JENKINSFILE
            if not path.is_file():
                raise _Failed(f"ERROR: Unable to find {JENKINSFILE} from git {repo}")
            jenkinsfile = path.read_text(encoding="utf-8")
        return parse_jenkinsfile(jenkinsfile)

    def _pipeline(self, pipeline: PipelineFile, workspace: Path) -> str:
        if pipeline.timeout_s is not None:
            self._deadline = time.monotonic() + pipeline.timeout_s
        defaults = {parameter.name: parameter.default for parameter in pipeline.parameters}
        environ = self._environ(defaults) | self._settings(pipeline.environment)
        result = "SUCCESS"
        for stage in pipeline.stages:
            if result != "SUCCESS" or self._aborted:
                self._say(f'Stage "{stage.name}" skipped due to earlier failure(s)')
                continue
            self._say(f"[Pipeline] {{ ({stage.name})")
            result = self._steps(stage.steps, environ | self._settings(stage.environment), workspace)
        if self._aborted or self._timed_out:
            result = "ABORTED"
        return self._post(pipeline, result, environ, workspace)

    def _steps(self, steps: Sequence[Step], environ: Mapping[str, str], workspace: Path) -> str:
        try:
            for step in steps:
                if self._aborted:
                    break
                self._step(step, environ, workspace)
        except _Failed as failed:
            self._say(str(failed))
            return "FAILURE"
        return "SUCCESS"

    def _post(self, pipeline: PipelineFile, result: str, environ: Mapping[str, str], workspace: Path) -> str:
        """Post actions run after an abort as well; a failing one makes a green build red."""
        aborted, self._aborted = self._aborted, False
        self._deadline = time.monotonic() + _POST_TIMEOUT_S
        due = ["always", {"SUCCESS": "success", "FAILURE": "failure", "ABORTED": "aborted"}[result]]
        due += [] if result == "SUCCESS" else ["unsuccessful"]
        for condition in (*due, "cleanup"):
            steps = pipeline.post.get(condition, ())
            if steps and self._steps(steps, environ, workspace) == "FAILURE" and result == "SUCCESS":
                result = "FAILURE"
        self._aborted = aborted
        return result

    # steps

    def _step(self, step: Step, environ: Mapping[str, str], workspace: Path) -> None:
        self._say(f"[Pipeline] {step.name}")
        if step.name == "sh":
            self._sh(step.text, environ, workspace)
        elif step.name == "echo":
            self._say(step.text)
        elif step.name in ("archiveArtifacts", "junit"):
            self._archive(step, workspace)

    def _sh(self, script: str, environ: Mapping[str, str], workspace: Path) -> None:
        self._shell = shell = ShellRun()
        left_s = self._deadline - time.monotonic()
        if self._aborted or left_s <= 0:
            shell.cancel()
        status = shell.execute(
            ["sh", "-xec", script],
            cwd=workspace,
            env=environ,
            output=self._log,
            hide=[value for value in self._credentials.values() if value],
            mask=_MASK,
            timeout_s=max(left_s, 0.01),
        )
        if shell.timed_out:
            self._timed_out = True
            raise _Failed("Cancelling nested steps due to timeout")
        if status != 0:
            raise _Failed(f"ERROR: script returned exit code {status if status is not None else -1}")

    def _archive(self, step: Step, workspace: Path) -> None:
        patterns = [glob_pattern(glob.strip()) for glob in step.text.split(",")]
        files = [file for file in sorted(workspace.rglob("*")) if file.is_file() and ".git" not in file.parts]
        found = [file for file in files if any(p.fullmatch(file.relative_to(workspace).as_posix()) for p in patterns)]
        if not found and not step.allow_empty:
            raise _Failed(f'ERROR: No artifacts found that match the file pattern "{step.text}".')
        for file in found:
            name = file.relative_to(workspace).as_posix()
            (self._keep / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(file, self._keep / name)
            self._artifacts.append(name)

    # surroundings

    def _environ(self, defaults: Mapping[str, str]) -> dict[str, str]:
        self._home.mkdir(parents=True, exist_ok=True)
        passed = {key: os.environ[key] for key in _PASSED_ON if key in os.environ}
        return {**passed, "HOME": str(self._home), "PATH": self._path, **defaults, **self._variables}

    def _settings(self, settings: Mapping[str, Setting]) -> dict[str, str]:
        found = {}
        for name, setting in settings.items():
            if setting.credential and setting.text not in self._credentials:
                raise _Failed(f"ERROR: {setting.text}\nCould not find credentials entry with ID '{setting.text}'")
            found[name] = self._credentials[setting.text] if setting.credential else setting.text
        return found

    def _say(self, text: str) -> None:
        with self._log.open("a", encoding="utf-8") as file:
            file.write(text + "\n")
