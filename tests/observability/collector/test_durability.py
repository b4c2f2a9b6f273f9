"""What is acknowledged is in the log, once: through kills, several processes, a database that goes away, a stop."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from benchmarks.collector.storm import TOKEN, Plan, Server, Storm, find_faults, webhook
from headgate.exit_codes import ExitCode
from observability.store import open_store
from tests.testing.collector_server import SECRETS, Served, serving
from tests.testing.postgres import Postgres


def test_every_acknowledged_webhook_is_in_the_log_once_however_often_the_server_is_killed(tmp_path: Path) -> None:
    """The full size (20 000 webhooks, 25 kills) is `benchmarks/collector/run.py`."""
    plan = Plan(webhooks=800, clients=20, kills=3, seed=8, folder=tmp_path)
    outcome = Storm(plan).run()
    assert find_faults(outcome, plan) == []
    assert outcome.kills == 3
    assert outcome.answers["no answer"] > 0  # the kills were felt
    assert outcome.answers["202"] <= plan.webhooks


def test_the_check_itself_finds_what_is_missing(tmp_path: Path) -> None:
    plan = Plan(webhooks=20, clients=2, kills=0, seed=8, folder=tmp_path)
    outcome = Storm(plan).run()
    assert find_faults(outcome, plan) == []
    outcome.acknowledged[0] = "never stored"
    assert find_faults(outcome, plan) == ["1 acknowledged events are not in the log"]


def everywhere(ports: list[int], numbers: range) -> list[int]:
    """Send each webhook to every server, several at once."""
    headers = {"content-type": "application/json", "x-gitlab-token": TOKEN}
    with httpx.Client(timeout=60, trust_env=False, headers=headers) as client, ThreadPoolExecutor(16) as pool:

        def send(job: tuple[int, int]) -> int:
            port, number = job
            return client.post(f"http://127.0.0.1:{port}/webhooks/gitlab", content=webhook(number)).status_code

        return list(pool.map(send, [(port, number) for number in numbers for port in ports]))


def test_several_processes_share_one_log(tmp_path: Path) -> None:
    plan = Plan(webhooks=60, clients=0, kills=0, seed=1, folder=tmp_path)
    servers = [Server(plan), Server(plan)]
    for server in servers:
        server.start()
    statuses = everywhere([server.port for server in servers], range(plan.webhooks))
    codes = [server.stop(signal.SIGTERM) for server in servers]
    assert (statuses.count(202), statuses.count(200)) == (60, 60)
    assert codes == [ExitCode.PASS, ExitCode.PASS]
    assert len(list(open_store(plan.store, root=tmp_path, create=False).read())) == 60


def test_a_stop_lets_the_running_request_end(tmp_path: Path) -> None:
    plan = Plan(webhooks=1, clients=0, kills=0, seed=1, folder=tmp_path)
    server = Server(plan)
    server.start()
    body = webhook(1)
    head = f"POST /webhooks/gitlab HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nx-gitlab-token: {TOKEN}\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        connection.sendall(head.encode() + b"expect: 100-continue\r\ncontent-length: %d\r\n\r\n" % len(body))
        assert connection.recv(100).startswith(b"HTTP/1.1 100")  # the request is under way
        codes: list[int] = []
        stopping = threading.Thread(target=lambda: codes.append(server.stop(signal.SIGTERM)))
        stopping.start()
        wait_until(lambda: refused(server.port))
        connection.sendall(body)
        assert connection.recv(1000).startswith(b"HTTP/1.1 202")
    stopping.join(60)
    assert codes == [ExitCode.PASS]
    assert len(list(open_store(plan.store, root=tmp_path, create=False).read())) == 1
    assert "Traceback" not in (tmp_path / "server.log").read_text()


def refused(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=60).close()
    except ConnectionRefusedError:
        return True
    return False


def wait_until(holds: Callable[[], bool]) -> None:
    waiting = threading.Event()
    for _ in range(6000):
        if holds():
            return
        waiting.wait(0.01)
    raise AssertionError("it never came to that")


def test_on_postgresql_too_and_nothing_is_acknowledged_while_it_is_away(postgres: Postgres) -> None:
    headers = {"content-type": "application/json", "x-gitlab-token": SECRETS["HEADGATE_GITLAB_WEBHOOK_TOKEN"]}

    def send(site: Served, number: int) -> httpx.Response:
        return site.http.post("/webhooks/gitlab", content=webhook(number), headers=headers)

    with postgres.database() as name:
        with serving(open_store(postgres.url(name))) as site, ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda number: send(site, number), [*range(40), *range(40)]))
            assert sorted(answer.status_code for answer in answers) == [200] * 40 + [202] * 40
            postgres.kill()
            away = send(site, 99)
            assert (away.status_code, away.headers["Retry-After"]) == (503, "2")
            assert site.http.get("/readyz").status_code == 503
        postgres.start()
        store = open_store(postgres.url(name))
        assert len(list(store.read())) == 40
        with serving(store) as site:
            assert send(site, 99).json()["new"] == 1
