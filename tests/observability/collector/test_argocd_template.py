"""The template that `docs/collector.md` gives for Argo CD, filled in as Argo CD does, is what the translator reads."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from observability.collector.model import Delivery, Hints, Translated
from observability.collector.senders import SENDERS, translate
from observability.events import DeliveryEvent
from tests.testing.delivery import at

PAGE = Path(__file__).resolve().parents[3] / "docs" / "collector.md"
SHA, SOURCE = "5e1309c8aa0b4d6f9e7c2b1a0f8d6e4c2a1b3d5f", "3c4fcf098815f7aba6d2ae2816157e2b99a1b2c3"
APP: dict[str, Any] = {
    "metadata": {"name": "recommender-prod", "namespace": "argocd"},  # no labels: toJson gives null
    "status": {
        "operationState": {
            "phase": "Succeeded",
            "startedAt": "2026-11-02T09:39:00Z",
            "finishedAt": "2026-11-02T09:39:20Z",
            "message": 'successfully synced "all"\n',
            "syncResult": {"revision": SHA},
        },
        "health": {"status": "Healthy", "lastTransitionTime": "2026-11-02T09:40:00Z"},
        "summary": {"images": ["registry.example.com/shop/recommender:1.4.0"]},
    },
}
COMMIT = {"Message": f"Update\n\nSource-Commit: {SOURCE}\n", "Date": "2026-11-02T09:38:00Z"}


def configuration() -> dict[str, str]:
    """The entries of `argocd-notifications-cm` on the page."""
    blocks = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    (block,) = [block for block in blocks if "template.headgate" in block]
    found = yaml.safe_load(block)
    assert isinstance(found, dict)
    return found


def value(expression: str) -> Any:
    """What Go's template engine makes of the few expressions there are."""
    call = re.fullmatch(r"\(call \.repo\.GetCommitMetadata (\S+)\)\.(\w+)", expression)
    if call is not None:
        assert value(call[1]) == SHA
        return COMMIT[call[2]]
    found: Any = {"app": APP, "context": {"argocdUrl": "https://argocd.example.com"}}
    for part in expression.removeprefix(".").split("."):
        found = found.get(part)
    return found


def rendered() -> str:
    template = yaml.safe_load(configuration()["template.headgate"])["webhook"]["headgate"]["body"]

    def fill(match: re.Match[str]) -> str:
        expression = match[1].strip()
        as_json = expression.startswith("toJson ")
        found = value(expression.removeprefix("toJson ").strip())
        return json.dumps(found) if as_json else str(found)

    return re.sub(r"\{\{(.*?)\}\}", fill, template)


def test_the_template_is_what_the_translator_reads() -> None:
    delivery = Delivery(body=json.loads(rendered()), received_at=at("9 00:00"), hints=Hints(environment="prod"))
    result = translate(SENDERS["argocd"], delivery)
    assert isinstance(result, Translated), result
    (event,) = result.events
    assert isinstance(event, DeliveryEvent)
    assert (event.service, event.environment, event.outcome) == ("recommender", "prod", "success")
    assert (event.commit, event.data["gitops_commit"]) == (SOURCE, SHA)
    assert event.data["artifact"] == "registry.example.com/shop/recommender:1.4.0"
    assert event.url == "https://argocd.example.com/applications/recommender-prod"


@pytest.mark.parametrize("name", ["service.webhook.headgate", "template.headgate", "trigger.headgate"])
def test_each_entry_is_yaml(name: str) -> None:
    assert yaml.safe_load(configuration()[name])


def test_the_address_and_the_template_belong_together() -> None:
    service = yaml.safe_load(configuration()["service.webhook.headgate"])
    assert "/webhooks/argocd?environment=" in service["url"]
    sends = [part["send"] for part in yaml.safe_load(configuration()["trigger.headgate"])]
    assert sends == [["headgate"], ["headgate"]]
