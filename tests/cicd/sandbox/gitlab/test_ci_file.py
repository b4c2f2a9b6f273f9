"""`.gitlab-ci.yml` read into jobs, and which of them belong to a pipeline."""

from __future__ import annotations

from pathlib import Path

import pytest

from cicd.sandbox.gitlab.ci_file import parse_ci_file
from cicd.sandbox.gitlab.ci_values import CiFileError, Situation
from cicd.sandbox.gitlab.schedule import plan_jobs
from cicd.sandbox.globs import glob_pattern

ROOT = Path(__file__).parents[4]
REQUEST = {"CI_PIPELINE_SOURCE": "merge_request_event"}
PUSH = {"CI_PIPELINE_SOURCE": "push", "CI_COMMIT_BRANCH": "main", "CI_DEFAULT_BRANCH": "main"}


def names(text: str, variables: dict[str, str], changed: tuple[str, ...] = ()) -> list[str]:
    situation = Situation(variables=variables, changed=changed, files=("dags/a.py",))
    return [job.spec.name for job in plan_jobs(parse_ci_file(text), situation)]


@pytest.mark.parametrize(
    ("text", "variables", "wanted"),
    [
        ("a: {script: x}", PUSH, ["a"]),
        ("a: {script: x}", REQUEST, []),
        ("workflow: {rules: [{if: $CI_PIPELINE_SOURCE}]}\na: {script: x}", REQUEST, ["a"]),
        ("workflow: {rules: [{if: $NOPE}]}\na: {script: x}", PUSH, []),
        ("workflow: {rules: [{when: never}]}\na: {script: x}", PUSH, []),
        ("a: {script: x, rules: [{if: '$CI_PIPELINE_SOURCE == \"merge_request_event\"'}]}", REQUEST, ["a"]),
        ("a: {script: x, rules: [{if: '$CI_PIPELINE_SOURCE == \"merge_request_event\"'}]}", PUSH, []),
        ("a: {script: x, rules: [{if: $CI_COMMIT_BRANCH, when: never}, {when: always}]}", PUSH, []),
        ("a: {script: x, rules: [{changes: ['dags/**/*']}]}", PUSH, ["a"]),
        ("a: {script: x, rules: [{changes: {paths: ['gx/*']}}]}", PUSH, []),
        ("a: {script: x, rules: [{exists: [dags/*.py]}]}", PUSH, ["a"]),
        ("variables: {MODE: full}\na: {script: x, rules: [{if: '$MODE == \"full\"'}]}", PUSH, ["a"]),
        ("a: {script: x, when: never}", PUSH, []),
        (".hidden: {script: x}\na: {extends: .hidden}", PUSH, ["a"]),
    ],
)
def test_which_jobs_belong(text: str, variables: dict[str, str], wanted: list[str]) -> None:
    assert names(text, variables, changed=("dags/new/b.py",)) == wanted


def test_a_job_in_full() -> None:
    ci = parse_ci_file(
        """
        default: {before_script: [setup], image: python}
        stages: [one, two]
        .base: {script: [base], variables: {A: "1", B: 2, C: true}}
        job:
          extends: .base
          stage: two
          variables: {A: over}
          script: [!reference [.base, script], [nested, [deeper]]]
          allow_failure: {exit_codes: [4]}
          retry: {max: 1, exit_codes: 4}
          needs: [{job: other}]
          timeout: 1h 30m
          environment: {name: prod}
          artifacts: {paths: [out/], when: always, reports: {junit: [a.xml], coverage_report: {path: c.xml}}}
        other: {stage: one, script: x, when: manual}
        """
    )
    job, other = ci.jobs
    assert job.script == ("setup", "base", "nested", "deeper")
    assert job.variables == {"A": "over", "B": "2", "C": "true"}
    assert (job.allow_failure, job.allow_exit_codes) == (False, frozenset({4}))
    assert (job.retry_max, job.retry_exit_codes) == (1, frozenset({4}))
    assert (job.needs, job.timeout_s, job.environment) == (("other",), 5400.0, "prod")
    assert (job.artifact_paths, job.report_paths, job.artifacts_when) == (("out/",), ("a.xml", "c.xml"), "always")
    assert other.allow_failure


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no jobs"),
        ("- a", "no jobs"),
        ("a: [", "Invalid configuration format"),
        ("stages: [a]", "at least one visible job"),
        ("a: {stage: nowhere, script: x}", "chosen stage nowhere does not exist"),
        ("a: {stage: test}", "script can't be blank"),
        ("a: {script: x, only: [main]}", "only"),
        ("a: {script: x, trigger: other}", "trigger"),
        ("include: other.yml\na: {script: x}", "include"),
        ("a: {script: x, needs: [b]}", "undefined need: b"),
        ("a: {script: x, extends: .b}", "unknown keys in `extends`"),
        ("a: {script: x, extends: a}", "circular"),
        ("a: {script: x, when: sometimes}", "when should be one of"),
        ("a: {script: x, rules: {if: $A}}", "array of hashes"),
        ("a: {script: x, rules: [{unless: $A}]}", "unless"),
        ("a: {script: x, retry: 7}", "retry max"),
        ("a: {script: !reference [b, script]}", "could not be found"),
        ("a: {script: {x: 1}}", "script config"),
        ("stages: x\na: {script: x}", "array of strings"),
        ("a: x", "should be a hash"),
    ],
)
def test_what_is_refused(text: str, said: str) -> None:
    with pytest.raises(CiFileError, match=said):
        parse_ci_file(text)


def test_an_invalid_rule_is_refused_when_it_is_evaluated() -> None:
    with pytest.raises(CiFileError, match="rules:if"):
        names("a: {script: x, rules: [{if: '$A ='}]}", PUSH)


@pytest.mark.parametrize(
    ("glob", "name", "matches"),
    [
        ("dags/**/*", "dags/a/b.py", True),
        ("dags/**/*", "dags/b.py", True),
        ("dags/*", "dags/a/b.py", True),
        ("*.py", "a/b.py", False),
        ("**/*.py", "b.py", True),
        ("reports", "reports/gates.xml", True),
        ("reports/", "reports/x/y", True),
        ("reports", "reports2/x", False),
        ("a?c", "abc", True),
        ("a.c", "abc", False),
    ],
)
def test_globs(glob: str, name: str, matches: bool) -> None:
    assert (glob_pattern(glob).fullmatch(name) is not None) is matches


@pytest.mark.parametrize("variables", [REQUEST, PUSH])
def test_the_pipeline_of_this_project_runs_its_checks_tests_and_gates(variables: dict[str, str]) -> None:
    expected = ["check", "test", "test-3.12", "test-3.13", "gates"]
    assert names((ROOT / ".gitlab-ci.yml").read_text(), variables) == expected
