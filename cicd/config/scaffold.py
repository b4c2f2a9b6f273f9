"""The text of a new `headgate.yaml`: what was detected, and the rest as comments to fill in. Pure."""

from __future__ import annotations

import re

import yaml

from cicd.config.detect import Detected

_PLAIN = re.compile(r"-?[A-Za-z][A-Za-z0-9_./-]*")

_HEAD = """\
# What may pass and how it goes out. Check with `headgate config check`; all settings: `headgate config schema`.
# Secrets are never written here: they come from HEADGATE_GITLAB_TOKEN, HEADGATE_ARGOCD_TOKEN and so on.
version: 1
project: {project}
"""

_FORGE = """
# The merge-request note and commit statuses go here (token: HEADGATE_GITLAB_TOKEN).
forge:
  kind: gitlab
  url: {url}
  project: {project}
"""

_NO_FORGE = """
# The merge-request note and commit statuses go here (token: HEADGATE_GITLAB_TOKEN).
# forge:
#   kind: gitlab
#   url: https://gitlab.example.com
#   project: group/project
"""

_NO_UNIT = """\
  # Unit tests: a run that collects no test never passes.
  # unit:
  #   command: [python, -m, pytest, -q]
  #   paths: [tests]
"""

_NO_QUALITY = """\
  # Great Expectations 1.x suites on the data that the pipelines build.
  # quality:
  #   - name: orders
  #     suite: gx/expectations/orders.json
  #     data: data/curated/orders.parquet
  #     build: [python, -m, pipelines.build]
"""

_NO_DAGS = """\
  # DAG files, parsed without Airflow.
  # dags:
  #   path: dags
  #   airflow: "3"
"""

_REST = """
# Delivery of the DAG folder to the buckets that Composer reads: `headgate dags plan --env staging`.
# dags:
#   source: dags
#   targets:
#     staging: {bucket: gs://composer-staging/dags}

# Services rolled out through Argo CD: `headgate release start recommender --env prod --version 1.1.0`.
# deploy:
#   environments:
#     prod:
#       services:
#         recommender:
#           argocd: {url: https://argocd.example.com, app: recommender-prod, project: shop}
#           gitops: {repo: git@gitlab.example.com:shop/env.git, file: prod/recommender/values.yaml, key: image.tag}
#           kubernetes: {namespace: shop, rollout: recommender}
#           strategy:
#             canary: {analysis: [error-ratio], max_step_s: 1800}
# analysis:
#   error-ratio:
#     source: openmetrics
#     errors: http_requests_total{status=~"5.."}
#     total: http_requests_total
#     max_ratio: 0.02

# What happened is kept here, for `headgate dora report` and `headgate serve`.
observability:
  store: sqlite:///.headgate/events.db
"""


def render_config(detected: Detected) -> str:
    """A commented `headgate.yaml` that parses to `detected.config` again."""
    config = detected.config
    parts = [_HEAD.format(project=quote(config.project))]
    parts += [f"# Noticed: {' '.join(remark.split())}\n" for remark in detected.remarks]
    if config.forge:
        parts.append(_FORGE.format(url=quote(config.forge.url), project=quote(config.forge.project)))
    else:
        parts.append(_NO_FORGE)
    parts += ["\n# What a merge request must pass.\n", *_gates(detected), _REST]
    return "".join(parts)


def quote(text: str) -> str:
    """`text` as a YAML scalar: plain where that is read back as the same text, else in double quotes."""
    if _PLAIN.fullmatch(text) and yaml.safe_load(text) == text:
        return text
    quoted: str = yaml.safe_dump(text, default_style='"', allow_unicode=True, width=2**20)
    return quoted.rstrip("\n")


def _gates(detected: Detected) -> list[str]:
    gates = detected.config.gates
    parts = ["gates:\n" if gates.unit or gates.quality or gates.dags else "# gates:\n"]
    if gates.unit:
        paths = ", ".join(quote(path) for path in gates.unit.paths)
        parts += ["  # A run that collects no test never passes.\n", "  unit:\n"]
        parts.append(f"    command: [{', '.join(quote(word) for word in gates.unit.command)}]\n    paths: [{paths}]\n")
    else:
        parts.append(_NO_UNIT)
    if gates.quality:
        parts.append(
            "  # Add `build: [python, -m, pipelines.build]` to checks whose data must be built first.\n  quality:\n"
        )
        for check in gates.quality:
            parts.append(f"    - name: {quote(check.name)}\n      suite: {quote(check.suite or '')}\n")
            parts.append(f"      data: {quote(check.data)}\n")
    else:
        parts.append(_NO_QUALITY)
    if gates.dags:
        require = ", ".join(gates.dags.require)
        parts += ["  # Parsed without Airflow.\n", "  dags:\n", f"    path: {quote(gates.dags.path)}\n"]
        parts += [f'    airflow: "{gates.dags.airflow}"\n', f"    require: [{require}]\n"]
    else:
        parts.append(_NO_DAGS)
    return parts
