"""Natural keys: what makes two messages of a provider the same fact, though their ids differ. Pure."""

from __future__ import annotations

from observability.events import event_id


def natural_key(*, provider: str, project: str, subject: str, status: str, attempt: int = 1) -> str:
    """The key of one fact, to be put into `data.natural_key`; the store keeps one event of each key.

    `provider` is the kind of sender (`gitlab`, `jenkins`), `project` its name for the project (with the host, where one
    log serves several), `subject` the provider's own id with its kind (`deployment/4711`), `status` what it became,
    `attempt` counts from 1: a retry is another fact, a second delivery of the same webhook is not.

    The collector's translators, the import from an API (`observability.collector.facts`) and our own commands inside a
    CI job (`cicd.job_facts`) agree on these: GitLab `project` is `host/number`, a deployment is `job/<id>` with the
    status of the job (`success`, `failed`, `canceled`), or `deployment/<id>` where no job carried it out; Jenkins
    `project` is `host/job/<name>`, a build is `build/<number>` with its result (`SUCCESS`, `FAILURE`).
    """
    return event_id("natural", provider, project, subject, status, str(attempt))
