"""Many senders, one collector that is killed again and again: every acknowledged event has to be in the log, once.

The server is `headgate serve` as a process of its own. It is killed with SIGKILL after random numbers of
acknowledgements, while the other clients' requests are in every state there is, and started again on the same log. A
client sends a webhook until it is acknowledged, as senders do.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from observability.rows import NATURAL_KEY
from observability.store import open_store

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "token-of-the-storm"
_DEADLINE_S = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to do. `again` is the share of acknowledged webhooks that are sent once more; `store` a URL."""

    webhooks: int
    clients: int
    kills: int
    seed: int
    folder: Path
    store: str = "sqlite:///events.db"
    again: float = 0.02


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What happened. `acknowledged` maps numbers of webhooks to the ids that the server answered with."""

    acknowledged: dict[int, str] = field(default_factory=dict)
    answers: Counter[str] = field(default_factory=Counter)
    kills: int = 0
    seconds: float = 0.0
    serving_seconds: float = 0.0


def webhook(number: int) -> bytes:
    """A deployment event of GitLab, another one for every number."""
    commit = f"{number:040x}"
    return json.dumps(
        {
            "object_kind": "deployment",
            "status": "success",
            "status_changed_at": f"2026-11-02 {number // 3600 % 24:02}:{number // 60 % 60:02}:{number % 60:02} +0100",
            "deployment_id": number,
            "deployable_id": 1_000_000 + number,
            "deployable_url": f"https://gitlab.example.com/shop/recommender/-/jobs/{1_000_000 + number}",
            "environment": "production",
            "environment_tier": "production",
            "environment_slug": "production",
            "environment_external_url": "https://shop.example.com",
            "project": {
                "id": 42,
                "name": "Recommender",
                "web_url": "https://gitlab.example.com/shop/recommender",
                "path_with_namespace": "shop/recommender",
                "default_branch": "main",
            },
            "short_sha": commit[:8],
            "user": {"id": 7, "name": "Ada Example", "username": "ada", "email": "[REDACTED]"},
            "commit_url": f"https://gitlab.example.com/shop/recommender/-/commit/{commit}",
            "commit_title": "A change",
            "ref": "main",
        }
    ).encode()


def find_faults(outcome: Outcome, plan: Plan) -> list[str]:
    """What is wrong with the log after a run; nothing, if all is well."""
    store = open_store(plan.store, root=plan.folder, create=False)
    ids: Counter[str] = Counter()
    keys: Counter[object] = Counter()
    for event in store.read():
        ids[event.id] += 1
        keys[event.data[NATURAL_KEY]] += 1
    wrong = []
    if len(outcome.acknowledged) != plan.webhooks:
        wrong.append(f"{plan.webhooks - len(outcome.acknowledged)} webhooks were never acknowledged")
    if missing := set(outcome.acknowledged.values()) - ids.keys():
        wrong.append(f"{len(missing)} acknowledged events are not in the log")
    twice = sum(count > 1 for count in ids.values()) + sum(count > 1 for count in keys.values())
    if twice:
        wrong.append(f"{twice} identities or natural keys are in the log more than once")
    if len(ids) != plan.webhooks:
        wrong.append(f"{len(ids)} events are in the log, {plan.webhooks} were sent")
    return wrong


class Server:
    """`headgate serve`, started as often as it is killed."""

    def __init__(self, plan: Plan) -> None:
        self.port = 0
        self._plan = plan
        self._process: subprocess.Popen[str] | None = None
        self.up = threading.Event()
        self.serving_seconds = 0.0
        self._since = 0.0

    def start(self) -> None:
        environ = {**os.environ, "HEADGATE_GITLAB_WEBHOOK_TOKEN": TOKEN, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-m", "cicd", "serve", "--port", "0", "--store", self._plan.store]
        with (self._plan.folder / "server.log").open("a") as log:
            self._process = subprocess.Popen(
                command, cwd=self._plan.folder, env=environ, stdout=subprocess.PIPE, stderr=log, text=True
            )
        assert self._process.stdout is not None
        address = self._process.stdout.readline().strip()
        if not address.startswith("http://"):
            raise RuntimeError((self._plan.folder / "server.log").read_text())
        self.port = int(address.rstrip("/").rpartition(":")[2])
        self._since = time.monotonic()
        self.up.set()

    def stop(self, number: signal.Signals) -> int:
        """Send a signal and wait for the end; its exit code."""
        process = self._process
        assert process is not None
        self.up.clear()
        self.serving_seconds += time.monotonic() - self._since
        process.send_signal(number)
        code = process.wait(60)
        if process.stdout is not None:
            process.stdout.close()
        return code


class Storm:
    """One run of a plan."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._server = Server(plan)
        self._outcome = Outcome()
        self._changed = threading.Condition()
        self._failed: list[BaseException] = []

    def run(self) -> Outcome:
        """Play the plan. Raises what a client raised, and `TimeoutError` when it does not come to its end."""
        plan, outcome, started = self._plan, self._outcome, time.monotonic()
        self._server.start()
        shares = [range(first, plan.webhooks, plan.clients) for first in range(plan.clients)]
        clients = [threading.Thread(target=self._client, args=(share,), daemon=True) for share in shares]
        for client in clients:
            client.start()
        chance = random.Random(plan.seed)
        try:
            for moment in sorted(chance.sample(range(1, max(2, plan.webhooks)), plan.kills)):
                self._wait_for(moment)
                self._server.stop(signal.SIGKILL)
                outcome.kills += 1
                self._server.start()
            for client in clients:
                client.join(_DEADLINE_S)
        finally:
            self._server.stop(signal.SIGTERM)
        if self._failed:
            raise self._failed[0]
        outcome.seconds = time.monotonic() - started
        outcome.serving_seconds = self._server.serving_seconds
        return outcome

    def _wait_for(self, acknowledged: int) -> None:
        with self._changed:
            enough = self._changed.wait_for(
                lambda: bool(self._failed) or len(self._outcome.acknowledged) >= acknowledged, _DEADLINE_S
            )
        if not enough:
            raise TimeoutError(f"{len(self._outcome.acknowledged)} webhooks were acknowledged, not {acknowledged}")

    def _client(self, numbers: Sequence[int]) -> None:
        chance = random.Random(f"{self._plan.seed} {numbers[0] if numbers else 0}")
        sender = _Sender(self._server)
        try:
            for number in numbers:
                self._acknowledge(number, sender.send(number))
                if chance.random() < self._plan.again:
                    self._acknowledge(number, sender.send(number))
        except BaseException as error:  # noqa: BLE001 - told by the main thread
            with self._changed:
                self._failed.append(error)
                self._changed.notify_all()
        finally:
            sender.close()
            with self._changed:
                self._outcome.answers.update(sender.answers)

    def _acknowledge(self, number: int, name: str) -> None:
        with self._changed:
            known = self._outcome.acknowledged.setdefault(number, name)
            if known != name:
                raise AssertionError(f"webhook {number} was acknowledged as {known} and as {name}")
            self._changed.notify_all()


class _Sender:
    """One client with one connection, which breaks whenever the server is killed."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._connection: http.client.HTTPConnection | None = None
        self.answers: Counter[str] = Counter()

    def send(self, number: int) -> str:
        """The id under which a webhook was acknowledged, however often it had to be sent."""
        body, deadline = webhook(number), time.monotonic() + _DEADLINE_S
        while time.monotonic() < deadline:
            try:
                status, answer = self._once(body)
            except (OSError, http.client.HTTPException):
                self.answers["no answer"] += 1
                self.close()
                self._server.up.wait(_DEADLINE_S)
                continue
            self.answers[str(status)] += 1
            if status in (200, 202):
                return str(json.loads(answer)["id"])
            if status < 500:
                raise AssertionError(f"webhook {number} was refused: {status} {answer!r}")
        raise TimeoutError(f"webhook {number} was not acknowledged")

    def close(self) -> None:
        """End the connection, if there is one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _once(self, body: bytes) -> tuple[int, bytes]:
        if self._connection is None:
            self._connection = http.client.HTTPConnection("127.0.0.1", self._server.port, timeout=60)
        headers = {"Content-Type": "application/json", "X-Gitlab-Token": TOKEN}
        self._connection.request("POST", "/webhooks/gitlab", body, headers)
        answer = self._connection.getresponse()
        return answer.status, answer.read()
