"""What the recorded commits contained, read off the recorded manifests, by story and revision."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

Files = Mapping[str, str]


def _rollout(name: str, image: str, strategy: Mapping[str, Any], **spec: Any) -> dict[str, Any]:
    pod: dict[str, Any] = {
        "containers": [{"image": f"shop/{name}:{image}", "name": "app", "ports": [{"containerPort": 8080}]}]
    }
    if spec.pop("stuck", False):
        pod["nodeSelector"] = {"never": "there"}
    content = {
        "progressDeadlineSeconds": 60,
        "replicas": 4,
        "revisionHistoryLimit": 3,
        "selector": {"matchLabels": {"app": name}},
        "strategy": dict(strategy),
        "template": {"metadata": {"labels": {"app": name}}, "spec": pod},
    }
    head = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "metadata": {"name": name}}
    return {**head, "spec": content | spec}


def _service(app: str, name: str) -> dict[str, Any]:
    spec = {"ports": [{"port": 80, "targetPort": 8080}], "selector": {"app": app}}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


def _config_map(name: str, **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def _file(folder: str, *objects: Mapping[str, Any]) -> Files:
    return {f"{folder}/all.yaml": "\n---\n".join(json.dumps(item) for item in objects) + "\n"}


def reco(image: str) -> Files:
    steps = [
        {"setWeight": 25},
        {"pause": {}},
        {"setWeight": 50},
        {"pause": {"duration": "5s"}},
        {"setWeight": 75},
        {"pause": {}},
    ]
    canary = {"canaryService": "reco-canary", "stableService": "reco-stable", "steps": steps}
    services = (_service("reco", "reco-canary"), _service("reco", "reco-stable"))
    return _file("reco", *services, _rollout("reco", image, {"canary": canary}))


def cat(image: str) -> Files:
    strategy = {
        "abortScaleDownDelaySeconds": 30,
        "activeService": "cat-active",
        "autoPromotionEnabled": False,
        "previewService": "cat-preview",
        "scaleDownDelaySeconds": 30,
    }
    services = (_service("cat", "cat-active"), _service("cat", "cat-preview"))
    return _file("cat", *services, _rollout("cat", image, {"blueGreen": strategy}, replicas=2))


def late(image: str, *, stuck: bool = False, weight: int | None = None, **spec: Any) -> Files:
    steps = [{"setWeight": 25}, {"pause": {}}] if weight is None else [{"setWeight": weight}]
    canary = {"canary": {"steps": steps}}
    return _file("late", _rollout("late", image, canary, progressDeadlineSeconds=20, stuck=stuck, **spec))


def web(image: str) -> Files:
    """The recorded chart with a pause where it had an analysis: the sandbox's Rollouts run no analyses."""
    steps = [{"setWeight": 5}, {"pause": {}}, {"setWeight": 50}, {"pause": {}}]
    canary = {
        "canaryService": "web-canary",
        "stableService": "web-stable",
        "steps": steps,
        "trafficRouting": {"nginx": {"stableIngress": "web"}},
    }
    backend = {"service": {"name": "web-stable", "port": {"number": 80}}}
    http = {"paths": [{"backend": backend, "path": "/", "pathType": "Prefix"}]}
    ingress = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": "web"},
        "spec": {"ingressClassName": "nginx", "rules": [{"host": "web.example.com", "http": http}]},
    }
    template = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "AnalysisTemplate",
        "metadata": {"name": "ratio"},
        "spec": {},
    }
    services = (_service("web", "web-canary"), _service("web", "web-stable"))
    return _file("web", *services, ingress, template, _rollout("web", image, {"canary": canary}))


def ops(version: str) -> Files:
    return _file("ops", _config_map("ops", v=version))


WINDOW = _file("win", _config_map("win", v="1"))
BROKEN = {"ops/all.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: [}\n"}
REFUSED = _file("ops", _config_map("Not_Valid!", v="1"))
NOTHING: Files = {}

# The recorded revisions in the order in which they were pushed, with what each changed and its message.
COMMITS: Mapping[str, tuple[tuple[str, Files, str], ...]] = {
    "reco": (
        ("699c379c97e75505c0b65240f158f21eac4c0338", reco("1.0"), "reco 1.0"),
        ("ddcef60935b26ff5949fa4b291c91d9b5bb286a7", reco("1.1"), "reco 1.1"),
        ("d3afe5ae4617fab8a571874784375d5dfad3a270", reco("1.2-bad"), "reco 1.2-bad"),
        ("f2ede08bcb745568fa59d2a22d970b189b1a2047", reco("1.1"), "revert"),
        ("56a0d725b366f116b63c7f05f88c519c985c3585", reco("1.3"), "reco 1.3"),
        ("6718939da3e825a65f52cdc020eb0800b1a36992", reco("1.4"), "reco 1.4"),
        ("1d2b8f06d05eb579e8a398620713653e1164dc7a", reco("1.5"), "reco 1.5"),
        ("163cb6d8f9177eb15e5b54afd0aef1a3e0563cb0", reco("1.6"), "reco 1.6"),
        ("9060342f33a6ed3578659f50dc4022a7862ed8b0", NOTHING, "another application's change"),
        ("e1f377db498cb686d2128247b6dfa55f282d3881", WINDOW, "win"),
        ("a422c6d40cc6f297b90e7173e3a6672419bd3d13", NOTHING, "another application's change"),
        ("ba65ed6e27e6493fbd8cfc3572422c9cf4b15a46", NOTHING, "another application's change"),
        ("0f710e29e8dbf31627c1fb8466e6459fa9ad68c7", NOTHING, "another application's change"),
    ),
    "cat": (
        ("f4731ea7697664ebf98f93136deae00fd6d8c52b", cat("1.0"), "cat 1.0"),
        ("24658f52d065bd1386b78bdb03c5bd9f9dcd9359", cat("1.1"), "cat 1.1"),
        ("1d2b8f06d05eb579e8a398620713653e1164dc7a", {"other/file": "x"}, "another application's change"),
        ("3f7b1a2cf2975751ce2b3ff9debb4c36a0b5cd18", cat("1.2"), "cat 1.2"),
        ("ceab5cd86916b37f471d83ef6fbcee96a1a5a477", cat("1.1"), "revert"),
        ("b4cbe05bb9f120a0b9bdbf0c9bc9200dcd0952c3", cat("1.3"), "cat 1.3"),
        ("560c1ba3457c31965343db2bb2cb5cd370998f2c", cat("1.1"), "revert"),
    ),
    "ops": (
        ("93ad58304b32f5e9ab292b7ec2f110f8a214f35c", ops("1"), "ops 1"),
        ("e1f377db498cb686d2128247b6dfa55f282d3881", ops("2"), "ops with a hook"),
        ("ed3b4e575a6aa86d6b6edcad664e9c3315ebd9a9", ops("3"), "ops with a failing hook"),
        ("c66034af94700e40c504cfc8d737d7cee37d8f88", BROKEN, "broken"),
        ("0cf5bf515124306b1dd904bd81fae97c26b1f4b6", REFUSED, "refused"),
        ("e59b32324e97fe2fd8738251a8746b559973c87f", ops("5"), "good again"),
    ),
    "late": (
        ("c9a742fdcd30616a3276b25daf2e73c2066618aa", late("1.0"), "late 1.0"),
        ("5f4007bb967d3de88d4424f4b84bc132dc364769", NOTHING, "another application's change"),
        ("d160cd8146395b3d5c065d93069b449c530a7252", late("1.1", stuck=True), "late 1.1"),
        ("10f908fdecc9b2737365b0e3d2918f911198c442", late("1.0"), "revert"),
        ("7483b2dff0719cee8de8f6984ac457309ec51529", late("1.1", stuck=True, progressDeadlineAbort=True), "again"),
        ("779f03ba8c32a6a6d81524f5667b148ee5cb6dae", late("1.0"), "revert"),
        ("c713cb244f672322085c6789c6157a61982956e3", late("1.3", weight=200), "invalid"),
        ("08f7d758a715b779360b0f21410055a8cdb69586", late("1.0"), "revert"),
    ),
    "web": (
        ("3cf6a2b635c6e0ee333d9526055f96b7790f7485", web("1.0"), "web 1.0"),
        ("86fb040617bc678ce48d64f8f0243bde0bd36df3", web("1.1"), "web 1.1"),
        ("7a54e749bc5a07199dd5e9c4cc4dcc3ba96a150a", web("1.2"), "web 1.2"),
        ("0c6583e713b6f2f9622187cda3269f0a890837ee", web("1.1"), "revert"),
        ("52ed40b29450b420700eded1f8bc239c2e8a9965", web("1.3"), "web 1.3"),
        ("0f710e29e8dbf31627c1fb8466e6459fa9ad68c7", web("1.1"), "revert"),
    ),
}
