"""CI/CD variables: the predefined ones, and how values refer to others. Pure.

https://docs.gitlab.com/ci/variables/predefined_variables/
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from cicd.sandbox.gitlab.model import Job, Pipeline, ProjectRecord

_REFERENCE = re.compile(r"\$\$|\$\{?([A-Za-z_][A-Za-z0-9_]*)\}?")


def rule_variables(url: str, project: ProjectRecord, pipeline: Pipeline) -> dict[str, str]:
    """Variables that exist before any job: `rules` see these and the project's own."""
    own = {key: project.variable(key).value for key in project.variables}
    return own | pipeline_variables(url, project, pipeline)


def pipeline_variables(url: str, project: ProjectRecord, pipeline: Pipeline) -> dict[str, str]:
    group, _, name = project.path.rpartition("/")
    host = re.sub(r"^https?://", "", url)
    found = {
        "CI": "true",
        "GITLAB_CI": "true",
        "CI_SERVER": "yes",
        "CI_SERVER_NAME": "GitLab",
        "CI_SERVER_URL": url,
        "CI_SERVER_HOST": host.partition(":")[0],
        "CI_SERVER_PROTOCOL": url.partition(":")[0],
        "CI_API_V4_URL": f"{url}/api/v4",
        "CI_PROJECT_ID": str(project.id),
        "CI_PROJECT_PATH": project.path,
        "CI_PROJECT_NAME": name,
        "CI_PROJECT_NAMESPACE": group,
        "CI_PROJECT_URL": f"{url}/{project.path}",
        "CI_DEFAULT_BRANCH": project.default_branch,
        "CI_COMMIT_SHA": pipeline.sha,
        "CI_COMMIT_SHORT_SHA": pipeline.sha[:8],
        "CI_COMMIT_BEFORE_SHA": pipeline.before_sha,
        "CI_COMMIT_REF_NAME": _ref_name(pipeline),
        "CI_COMMIT_REF_SLUG": re.sub(r"[^a-z0-9]+", "-", _ref_name(pipeline).lower())[:63].strip("-"),
        "CI_PIPELINE_ID": str(pipeline.id),
        "CI_PIPELINE_IID": str(pipeline.iid),
        "CI_PIPELINE_SOURCE": pipeline.source,
        "CI_PIPELINE_URL": f"{url}/{project.path}/-/pipelines/{pipeline.id}",
        "CI_REPOSITORY_URL": str(project.repository.path),
        "GITLAB_USER_ID": str(pipeline.user.id),
        "GITLAB_USER_LOGIN": pipeline.user.username,
        "GITLAB_USER_NAME": pipeline.user.name,
        "GITLAB_USER_EMAIL": f"{pipeline.user.username}@example.com",
    }
    return found | _occasion(project, pipeline)


def _ref_name(pipeline: Pipeline) -> str:
    # In a merge request pipeline GitLab gives the source branch here, although the pipeline's ref is another.
    return pipeline.merge_request.source_branch if pipeline.merge_request else pipeline.ref


def _occasion(project: ProjectRecord, pipeline: Pipeline) -> dict[str, str]:
    """CI_COMMIT_BRANCH exists in branch pipelines only, CI_MERGE_REQUEST_* in merge request pipelines only."""
    request = pipeline.merge_request
    if request is None:
        return {"CI_COMMIT_BRANCH": pipeline.ref}
    return {
        "CI_MERGE_REQUEST_ID": str(request.id),
        "CI_MERGE_REQUEST_IID": str(request.iid),
        "CI_MERGE_REQUEST_TITLE": request.title,
        "CI_MERGE_REQUEST_DIFF_BASE_SHA": request.base_sha,
        "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME": request.source_branch,
        "CI_MERGE_REQUEST_SOURCE_PROJECT_PATH": project.path,
        "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": request.target_branch,
        "CI_MERGE_REQUEST_PROJECT_ID": str(project.id),
        "CI_MERGE_REQUEST_PROJECT_PATH": project.path,
        "CI_MERGE_REQUEST_REF_PATH": request.ref,
        "CI_MERGE_REQUEST_EVENT_TYPE": "detached",
        "CI_OPEN_MERGE_REQUESTS": f"{project.path}!{request.iid}",
    }


def job_variables(
    url: str, project: ProjectRecord, pipeline: Pipeline, job: Job, *, token: str, folder: Path
) -> dict[str, str]:
    """All variables of a job, later ones winning: file, job, project, predefined. References are filled in."""
    own = {key: project.variable(key).value for key in project.variables}
    predefined = pipeline_variables(url, project, pipeline) | {
        "CI_JOB_ID": str(job.id),
        "CI_JOB_NAME": job.name,
        "CI_JOB_STAGE": job.stage,
        "CI_JOB_TOKEN": token,
        "CI_JOB_URL": f"{url}/{project.path}/-/jobs/{job.id}",
        "CI_JOB_STATUS": "running",
        "CI_PROJECT_DIR": str(folder),
        "CI_BUILDS_DIR": str(folder.parent),
    }
    if job.spec is not None and job.spec.environment:
        predefined["CI_ENVIRONMENT_NAME"] = job.spec.environment
    file_variables = {**pipeline.variables, **(job.spec.variables if job.spec else {})}
    known = {**file_variables, **own, **predefined}
    return known | {
        key: expand(value, known) for key, value in file_variables.items() if key not in {**own, **predefined}
    }


def expand(text: str, known: Mapping[str, str], depth: int = 0) -> str:
    """`$NAME` and `${NAME}` replaced by values, themselves expanded; unknown names are empty, `$$` is a dollar sign."""
    if depth > 10:
        return text

    def value(match: re.Match[str]) -> str:
        return "$" if match[1] is None else expand(known.get(match[1], ""), known, depth + 1)

    return _REFERENCE.sub(value, text)
