from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from cicd.sandbox.kubernetes.sandbox import KubernetesSandbox


@pytest.fixture(scope="module")
def sandbox() -> Iterator[KubernetesSandbox]:
    with KubernetesSandbox(pod_start_s=0.05) as running:
        yield running


@pytest.fixture(scope="module")
def http(sandbox: KubernetesSandbox) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {sandbox.token}"}
    with httpx.Client(base_url=sandbox.url, headers=headers, timeout=60) as client:
        yield client
