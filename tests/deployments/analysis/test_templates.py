"""AnalysisTemplates: what is taken over, and what is refused by name."""

from __future__ import annotations

from typing import Any

import pytest

from deployments.analysis.templates import Imported, Refused, import_templates
from headgate.errors import ConfigError

PROMETHEUS = {"prometheus": {"address": "http://p:9090", "query": "x"}}


def _import(metric: dict[str, Any], **spec: Any) -> Imported | Refused:
    template = {
        "kind": "AnalysisTemplate",
        "metadata": {"name": "t"},
        "spec": {"metrics": [{"name": "m"} | metric]} | spec,
    }
    (found,) = import_templates([template], {})
    return found


@pytest.mark.parametrize(
    ("metric", "why"),
    [
        ({"provider": PROMETHEUS}, "neither successCondition nor failureCondition"),
        ({"provider": {"job": {}}, "successCondition": "true"}, "its provider is job"),
        ({"successCondition": "true"}, "its provider is missing"),
        ({"provider": {"prometheus": {"query": "x"}}, "successCondition": "true"}, "prometheus.address"),
        (
            {"provider": {"prometheus": {"address": "http://p"}}, "successCondition": "true"},
            "prometheus.query is missing",
        ),
        (
            {"provider": {"prometheus": PROMETHEUS["prometheus"] | {"authentication": {"sigv4": {}}}}},
            "prometheus.authentication",
        ),
        ({"provider": {"web": {"url": "http://x", "method": "POST"}}, "successCondition": "true"}, "only GET"),
        ({"provider": {"web": {"url": "http://x", "headers": [1]}}, "successCondition": "true"}, "web.headers"),
        ({"provider": PROMETHEUS, "successCondition": "result matches 'x'"}, "'matches' is not supported"),
        ({"provider": PROMETHEUS, "successCondition": "result > {{args.limit}}"}, "needs limit"),
        ({"provider": PROMETHEUS, "successCondition": "true", "interval": "soon"}, "not a duration"),
        ({"provider": PROMETHEUS, "successCondition": "true", "count": "many"}, "not a whole number"),
        ({"provider": PROMETHEUS, "successCondition": "true", "failureLimit": -1}, "switches the limit off"),
    ],
)
def test_what_cannot_be_taken_over_is_refused(metric: dict[str, Any], why: str) -> None:
    found = _import(metric)
    assert isinstance(found, Refused)
    assert why in found.why


def test_dry_runs_and_includes_are_named() -> None:
    good = {"provider": PROMETHEUS, "successCondition": "true"}
    dry = _import(good, dryRun=[{"metricName": "*"}])
    assert isinstance(dry, Refused)
    for pattern in ("m", "^m$", "[m]", ".*"):
        assert isinstance(_import(good, dryRun=[{"metricName": pattern}]), Refused)
    for pattern in ("M", "^mm", "(", "n"):
        assert isinstance(_import(good, dryRun=[{"metricName": pattern}]), Imported)
    template = {"kind": "ClusterAnalysisTemplate", "spec": {"templates": [{"templateName": "other"}]}}
    (included,) = import_templates([template], {})
    assert isinstance(included, Refused)
    assert "other" in included.why


def test_arguments_from_elsewhere_are_named_and_the_new_hash_is_a_placeholder() -> None:
    query = {"prometheus": {"address": "http://p:9090", "query": 'x{h="{{ args.new }}",n="{{args.ns}}"}'}}
    metric = {"provider": query, "successCondition": "true"}
    new = {"name": "new", "valueFrom": {"podTemplateHashValue": "Latest"}}
    namespace = {"name": "ns", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}}
    refused = _import(metric, args=[new, namespace])
    assert isinstance(refused, Refused)
    assert refused.why == "prometheus.query needs ns (from its fieldRef, which is not read): give --arg ns=VALUE"
    template = {"kind": "AnalysisTemplate", "spec": {"metrics": [metric], "args": [new, namespace]}}
    (found,) = import_templates([template], {"ns": "shop"})
    assert isinstance(found, Imported)
    assert found.keys["query"] == 'x{h="{{hash}}",n="shop"}'


def test_defaults_are_those_of_argo_rollouts() -> None:
    found = _import({"provider": PROMETHEUS, "successCondition": "true"})
    assert isinstance(found, Imported)
    assert (found.keys["count"], found.keys["failure_limit"], found.keys["inconclusive_limit"]) == (1, 0, 0)
    endless = _import({"provider": PROMETHEUS, "successCondition": "true", "interval": "1h", "initialDelay": "90s"})
    assert isinstance(endless, Imported)
    assert (endless.keys["count"], endless.keys["interval_s"], endless.keys["initial_delay_s"]) == (5, 3600, 90)
    assert "no count" in endless.remarks[0]


def test_nothing_to_import_and_names_twice_are_errors() -> None:
    with pytest.raises(ConfigError, match="there is no AnalysisTemplate"):
        import_templates([{"kind": "Rollout"}, None, 1], {})
    metric = {"name": "m", "provider": PROMETHEUS, "successCondition": "true"}
    with pytest.raises(ConfigError, match="share a name: m"):
        import_templates([{"kind": "AnalysisTemplate", "spec": {"metrics": [metric, metric]}}], {})


@pytest.mark.parametrize("spec", [None, [], "x", {"metrics": None}, {"metrics": [1]}, {"args": 3, "metrics": "x"}])
def test_hostile_manifests_are_refused_not_crashed_on(spec: Any) -> None:
    (found,) = import_templates([{"kind": "AnalysisTemplate", "metadata": [], "spec": spec}], {})
    assert isinstance(found, Refused)
