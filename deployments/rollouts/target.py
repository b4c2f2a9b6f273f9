"""An Argo Rollouts resource inside an Argo CD application, as a target. Implements `deployments.release.ports.Target`."""

from __future__ import annotations

from deployments.argocd.client import ArgoCd
from deployments.argocd.sansio import ResourceRef
from deployments.rollouts.snapshot import Snapshot
from deployments.rollouts.status import parse_rollout
from headgate.errors import AuthenticationError


class RolloutTarget:
    """Reads the live manifest and acts by resource actions. Nothing is sent twice here."""

    def __init__(self, argocd: ArgoCd, resource: ResourceRef) -> None:
        self._argocd, self._resource = argocd, resource

    def observe(self) -> Snapshot:
        return parse_rollout(self._argocd.manifest(self._resource))

    def resume(self) -> None:
        self._argocd.run_action(self._resource, "resume")

    def promote(self) -> None:
        self._argocd.run_action(self._resource, "promote-full")

    def abort(self) -> None:
        self._argocd.run_action(self._resource, "abort")

    def check_rights(self) -> None:
        """Raise `AuthenticationError` naming the first right that a release needs and the account has not.

        Asked before anything is written: a release that may be started but not turned back must not begin.
        """
        app = self._argocd.app
        needed = [("sync", self._argocd.may("sync"))]
        for action in ("abort", "resume", "promote-full"):
            right = f"action/{self._resource.group}/{self._resource.kind}/{action}"
            needed.append((right, self._argocd.may_run(self._resource, action)))
        missing = [right for right, granted in needed if not granted]
        if missing:
            policy = "; ".join(
                f"p, ACCOUNT, applications, {right}, {app.project}/{app.name}, allow" for right in missing
            )
            raise AuthenticationError(
                f"the account {self._argocd.user() or 'behind the token'} lacks rights on the application {app.name}",
                where="Argo CD",
                next_step=f"Add to argocd-rbac-cm or the project: {policy}.",
            )
