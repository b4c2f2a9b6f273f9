"""The senders: where their webhooks go, how they prove themselves, and who reads them. One table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pydantic import ValidationError

from headgate.secrets import Secret, mask
from observability.collector import (
    alertmanager,
    argocd,
    bitbucket,
    cdevents,
    github,
    gitlab,
    jenkins,
    pagerduty,
)
from observability.collector.model import Delivery, Refused, Translation, Translator
from observability.collector.verify import Key, Scheme

PREVIOUS = "_PREVIOUS"
"""Behind the name of a variable: the secret that was valid before, and still is."""
SHARED = "HEADGATE_COLLECTOR_TOKEN"
_JSON = ("application/json",)
_CLOUDEVENTS = (cdevents.STRUCTURED, cdevents.BATCH)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """One sender. `keys` are its ways in, the strongest first, each with the variable of its secret."""

    name: str
    title: str
    keys: tuple[tuple[Scheme, str], ...]
    translate: Translator
    media_types: tuple[str, ...] = _JSON

    @property
    def path(self) -> str:
        return f"/webhooks/{self.name}"


SENDERS: Mapping[str, Sender] = {
    sender.name: sender
    for sender in (
        Sender(
            name="gitlab",
            title="GitLab",
            keys=(
                (Scheme.STANDARD, "HEADGATE_GITLAB_WEBHOOK_SIGNING_TOKEN"),
                (Scheme.GITLAB_TOKEN, "HEADGATE_GITLAB_WEBHOOK_TOKEN"),
            ),
            translate=gitlab.translate,
        ),
        Sender(
            name="github",
            title="GitHub",
            keys=((Scheme.GITHUB, "HEADGATE_GITHUB_WEBHOOK_SECRET"),),
            translate=github.translate,
        ),
        Sender(
            name="bitbucket",
            title="Bitbucket Cloud",
            keys=((Scheme.BITBUCKET, "HEADGATE_BITBUCKET_WEBHOOK_SECRET"),),
            translate=bitbucket.translate,
        ),
        Sender(
            name="jenkins",
            title="Jenkins (Notification plugin, CDEvents plugin)",
            keys=((Scheme.BEARER, "HEADGATE_JENKINS_WEBHOOK_TOKEN"),),
            translate=jenkins.translate,
            media_types=_JSON + _CLOUDEVENTS,
        ),
        Sender(
            name="argocd",
            title="Argo CD notifications",
            keys=((Scheme.BEARER, "HEADGATE_ARGOCD_WEBHOOK_TOKEN"),),
            translate=argocd.translate,
        ),
        Sender(
            name="alertmanager",
            title="Alertmanager",
            keys=((Scheme.BEARER, "HEADGATE_ALERTMANAGER_WEBHOOK_TOKEN"),),
            translate=alertmanager.translate,
        ),
        Sender(
            name="pagerduty",
            title="PagerDuty (webhooks version 3)",
            keys=((Scheme.PAGERDUTY, "HEADGATE_PAGERDUTY_WEBHOOK_SECRET"),),
            translate=pagerduty.translate,
        ),
        Sender(
            name="cdevents",
            title="CDEvents of any tool, and records",
            keys=((Scheme.BEARER, SHARED),),
            translate=cdevents.translate,
            media_types=_JSON + _CLOUDEVENTS,
        ),
    )
}


def read_keys(read: Callable[[str], Secret | None]) -> Mapping[str, tuple[Key, ...]]:
    """The ways in of every sender. `read` gives the secret of a variable, None for one that is not set.

    Senders that present a token may present the shared one as well, if they have none of their own.
    """
    return {sender.name: tuple(_keys(sender, read)) for sender in SENDERS.values()}


def _keys(sender: Sender, read: Callable[[str], Secret | None]) -> list[Key]:
    found = []
    for scheme, variable in sender.keys:
        secrets = [read(variable), read(variable + PREVIOUS)]
        if scheme is Scheme.BEARER and not any(secrets) and variable != SHARED:
            secrets = [read(SHARED), read(SHARED + PREVIOUS)]
        found.append(Key(scheme=scheme, secrets=tuple(secret for secret in secrets if secret is not None)))
    return found


def translate(sender: Sender, delivery: Delivery) -> Translation:
    """What a webhook of a sender tells; a payload of another form is refused with the fields that are wrong."""
    try:
        return sender.translate(delivery)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(str(part) for part in problem['loc'])[:80] or 'body'}: "
            f"{problem['msg'].removeprefix('Value error, ')[:200]}"
            for problem in error.errors(include_url=False, include_input=False)[:5]
        )
        return Refused(reason=mask(f"not a payload of {sender.title}: {problems}"))
