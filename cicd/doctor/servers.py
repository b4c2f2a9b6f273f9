"""Checks of servers: GitLab, Jenkins, Argo CD, Prometheus. All are reads, or probes that touch nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from cicd.config.analysis import AnalysisConfig
from cicd.config.model import ForgeConfig, JenkinsConfig, ServiceConfig
from cicd.doctor.checks import Step, Unknown
from headgate.errors import AuthenticationError, ConfigError, NotFoundError, ServerFaultError
from headgate.http import HttpClient, RetryPolicy
from headgate.secrets import Secret, read_secret

if TYPE_CHECKING:
    from cicd.gitlab.api import GitLabApi

DEVELOPER = 30
_ROLES = {0: "none", 5: "Minimal", 10: "Guest", 15: "Planner", 20: "Reporter", 30: "Developer", 40: "Maintainer"}
_ROLES |= {50: "Owner"}
PARAMETERS = ("SERVICE", "ENVIRONMENT", "VERSION", "SOURCE_COMMIT")
_ONCE = RetryPolicy(attempts=2)


def gitlab_steps(config: ForgeConfig, timeout_s: float) -> Iterator[Step]:
    """The token is known and may write, the project can be seen, and the role suffices for notes and statuses."""
    from cicd.gitlab.forge import connect, find_token

    with connect(config.url, config.project, timeout_s=timeout_s) as forge:
        yield from _gitlab(config, forge.api, find_token())


def _gitlab(config: ForgeConfig, api: GitLabApi, found: tuple[str, Secret] | None) -> Iterator[Step]:
    from cicd.gitlab.errors import ACCESS_ADVICE

    seen: dict[str, Mapping[str, Any]] = {}

    def token() -> str:
        if found is None or found[0] == "job":
            raise AuthenticationError(
                "only CI_JOB_TOKEN is set; it may not write notes", where=config.url, next_step=ACCESS_ADVICE
            )
        return f"accepted, user {api.get_global('/user').get('username')}"

    def scope() -> str | Unknown:
        try:
            scopes = api.get_global("/personal_access_tokens/self").get("scopes")
        except NotFoundError:
            return Unknown(why="this server does not tell the scopes of a token")
        if not isinstance(scopes, list) or "api" not in scopes:
            raise AuthenticationError(
                f"the token lacks the scope api (it has: {scopes})", where=config.url, next_step=ACCESS_ADVICE
            )
        return "the token has the scope api"

    def project() -> str:
        seen["project"] = api.get("")
        return f"{config.project} is visible"

    def role() -> str:
        level = access_level(seen["project"])
        name = _ROLES.get(level, str(level))
        if level < DEVELOPER:
            raise AuthenticationError(
                f"the role is {name}, notes and commit statuses need Developer",
                where=f"{config.url.rstrip('/')}/{config.project}",
                next_step=ACCESS_ADVICE,
            )
        return f"role {name}"

    yield Step(name="token", ask=token)
    yield Step(name="scope", ask=scope)
    yield Step(name="project", ask=project)
    yield Step(name="role", ask=role)


def access_level(project: Mapping[str, Any]) -> int:
    """The higher of the access levels from the project and from its groups; 0 when the answer names none."""
    permissions = project.get("permissions")
    given = permissions if isinstance(permissions, Mapping) else {}
    levels = [entry.get("access_level") for entry in given.values() if isinstance(entry, Mapping)]
    return max((level for level in levels if isinstance(level, int)), default=0)


def jenkins_steps(config: JenkinsConfig, timeout_s: float) -> Iterator[Step]:
    """The delivery job can be seen, is enabled, and takes the parameters of a release."""
    from cicd.jenkins.client import connect

    with connect(config.url, timeout_s=timeout_s) as jobs:

        def job() -> str:
            jobs.check(config.job, PARAMETERS)
            return f"{config.job} is enabled and takes {', '.join(PARAMETERS)} (Job/Build itself is not tried)"

        yield Step(name="job", ask=job)


def argocd_steps(config: ServiceConfig, timeout_s: float) -> Iterator[Step]:
    """The server answers, knows the account, shows the application, and lets it sync and run the Rollout's actions."""
    limit_s = min(timeout_s, config.argocd.timeout_s)
    token = read_secret("HEADGATE_ARGOCD_TOKEN")
    headers = {"Authorization": Secret(f"Bearer {token.reveal()}")} if token else {}
    with HttpClient(config.argocd.url or "", timeout_s=limit_s, headers=headers, retry=_ONCE) as http:
        yield from _argocd(config, http, has_token=token is not None)


def _argocd(config: ServiceConfig, http: HttpClient, *, has_token: bool) -> Iterator[Step]:
    from deployments.argocd.client import ArgoCd
    from deployments.argocd.sansio import AppRef, ResourceRef
    from deployments.rollouts.target import RolloutTarget

    settings = config.argocd
    app = AppRef(name=settings.app, project=settings.project, namespace=settings.namespace)
    argocd = ArgoCd(http, app)
    rollout = ResourceRef(namespace=config.kubernetes.namespace, name=config.kubernetes.rollout)

    def version() -> str:
        answer = http.request("GET", "/api/version").json()
        found = answer.get("Version") if isinstance(answer, dict) else None
        if not isinstance(found, str):
            raise ServerFaultError(
                "the answer names no version", where=settings.url, next_step="Check that this is an Argo CD server."
            )
        return f"Argo CD {found}"

    def account() -> str:
        name = argocd.user() if has_token else ""
        if not name:
            raise AuthenticationError(
                "the token is taken as anonymous" if has_token else "HEADGATE_ARGOCD_TOKEN is not set",
                where=settings.url,
                next_step="Set HEADGATE_ARGOCD_TOKEN to the token of a project role or of an account with apiKey.",
            )
        return f"account {name}"

    def application() -> str:
        found = argocd.application()
        return f"{settings.app} is {found.sync_status} and {found.health}"

    def rights() -> str:
        # Actions are tried on a Rollout that does not exist: that touches nothing, and tells.
        RolloutTarget(argocd, rollout).check_rights()
        return f"may sync {settings.app}, and abort, resume and promote its Rollout"

    def exists() -> str:
        found = argocd.manifest(rollout).get("status", {})
        return f"Rollout {rollout.name} is {found.get('phase') or 'there'}"

    yield Step(name="version", ask=version)
    yield Step(name="account", ask=account)
    yield Step(name="application", ask=application)
    yield Step(name="rights", ask=rights)
    yield Step(name="rollout", ask=exists)


def prometheus_steps(config: AnalysisConfig, timeout_s: float) -> Iterator[Step]:
    """The server answers an instant query."""
    if config.url is None:
        raise ConfigError("source prometheus needs url", where="analysis", next_step="Set url.")
    with HttpClient(config.url, timeout_s=timeout_s, retry=_ONCE) as http:

        def query() -> str:
            from deployments.analysis.prometheus import parse_vector

            parse_vector(http.request("GET", "/api/v1/query", params={"query": "vector(1)"}, check=False), "vector(1)")
            return "answers queries"

        yield Step(name="query", ask=query)
