"""The example platform: it builds, its data keeps its promises, and its files agree with each other."""

from __future__ import annotations

import ast
import hashlib
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from cicd.config.detect import examine
from cicd.config.load import parse_config
from cicd.config.model import Config
from cicd.sandbox.gitlab.ci_file import parse_ci_file
from cicd.sandbox.gitlab.ci_values import Situation, first_match
from tests.testing.shop import GITOPS, PLATFORM, copy_platform, run_python

RAW = {
    "carts.jsonl": "095bec2428ad97b04da980ba359a4df5a4291d83c76f0dc2074faed5426f20c0",
    "products.csv": "d8a5ce818a3b78d1c9270b16d1cf86ac4aac4a8c3e50d597f58719b14978e759",
    "users.jsonl": "49c567c176b5313ceba3ef5a5461b72dd60fd3c4dd19b93d2c941e33ad77c3ff",
}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the platform whose pipelines have run."""
    root = copy_platform(tmp_path_factory.mktemp("shop") / "platform")
    done = run_python(root, "-m", "pipelines.build")
    assert done.returncode == 0, done.stderr
    return root


@pytest.fixture
def tables(built: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Every Parquet file as a view of its name."""
    with duckdb.connect(":memory:") as connection:
        for file in built.glob("data/*/*.parquet"):
            connection.execute(f"CREATE VIEW {file.stem} AS FROM read_parquet('{file}')")
        yield connection


def rows(connection: duckdb.DuckDBPyConnection, query: str) -> list[tuple[Any, ...]]:
    return list(connection.execute(query).fetchall())


@pytest.fixture(scope="module")
def config() -> Config:
    return parse_config((PLATFORM / "headgate.yaml").read_bytes(), "headgate.yaml")


@pytest.mark.parametrize("name", sorted(RAW))
def test_the_generator_writes_the_same_bytes_everywhere(built: Path, name: str) -> None:
    assert hashlib.sha256((built / "data" / "raw" / name).read_bytes()).hexdigest() == RAW[name]


def test_no_address_or_phone_number_leaves_the_restricted_zones(built: Path) -> None:
    raw = [json.loads(line) for line in (built / "data" / "raw" / "users.jsonl").read_text().splitlines()]
    personal = {str(user[field]) for user in raw for field in ("email", "phone", "last_name")}
    with duckdb.connect(":memory:") as connection:
        files = [*built.glob("data/staging/*.parquet"), *built.glob("data/curated/*.parquet")]
        assert len(files) == 6
        for file in files:
            values = {str(value) for row in rows(connection, f"FROM read_parquet('{file}')") for value in row}
            assert not values & personal
            assert not [value for value in values if value.endswith("mail.example") and "masked" not in value]


def test_versions_of_a_customer_touch_and_one_is_current(tables: duckdb.DuckDBPyConnection) -> None:
    gaps = rows(
        tables,
        """SELECT user_id FROM (
            SELECT *, lead(valid_from) OVER (PARTITION BY user_id ORDER BY valid_from) AS next FROM dim_customer
        ) WHERE valid_to IS DISTINCT FROM next OR is_current <> (valid_to IS NULL)""",
    )
    several = rows(tables, "SELECT count(*), count(DISTINCT user_id), sum(is_current::INT) FROM dim_customer")
    assert gaps == []
    ((versions, users, current),) = several
    assert versions > users == current == 400


def test_every_sale_finds_its_dimensions(tables: duckdb.DuckDBPyConnection) -> None:
    lost = rows(
        tables,
        """FROM fact_sales
        ANTI JOIN (SELECT customer_key, product_key, date_key FROM dim_customer, dim_product, dim_date)
        USING (customer_key, product_key, date_key) LIMIT 5""",
    )
    ((sold, lines),) = rows(
        tables,
        """SELECT (SELECT count(*) FROM fact_sales),
        (SELECT count(*) FROM std_cart_items JOIN stg_carts USING (cart_id) WHERE status = 'purchased')""",
    )
    assert lost == []
    assert sold == lines > 2000


def test_its_own_tests_pass_with_its_own_settings(built: Path) -> None:
    done = run_python(built, "-m", "pytest", "-q")
    assert done.returncode == 0, done.stdout
    assert re.search(r"\d\d passed", done.stdout)


def test_the_configuration_names_only_what_exists(built: Path, config: Config) -> None:
    assert config.gates.unit is not None
    assert config.gates.dags is not None
    assert config.dags is not None
    for path in (*config.gates.unit.paths, config.gates.dags.path, config.dags.source):
        assert (built / path).is_dir(), path
    for check in config.gates.quality:
        assert check.suite is not None
        assert (built / check.suite).is_file()
        assert (built / check.data).is_file()


def test_detection_finds_the_same_gates(built: Path, config: Config) -> None:
    found = examine(built).config.gates
    assert found.unit is not None
    assert found.dags is not None
    assert {(c.suite, c.data) for c in found.quality} == {(c.suite, c.data) for c in config.gates.quality}


@pytest.mark.parametrize("suite", sorted(path.name for path in (PLATFORM / "gx" / "expectations").glob("*.json")))
def test_suites_have_the_form_of_great_expectations_1(suite: str) -> None:
    document = json.loads((PLATFORM / "gx" / "expectations" / suite).read_text())
    assert document["name"] == Path(suite).stem
    assert document["meta"]["great_expectations_version"].startswith("1.")
    assert len(document["expectations"]) >= 8
    for expectation in document["expectations"]:
        assert {"type", "kwargs", "meta", "severity", "id"} <= set(expectation)


def test_dag_files_import_only_airflow_and_what_is_delivered() -> None:
    folder = PLATFORM / "dags"
    files = sorted(folder.rglob("*.py"))
    assert len(files) >= 6
    for file in files:
        for node in ast.walk(ast.parse(file.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                top = name.split(".")[0]
                local = (folder / f"{name.replace('.', '/')}.py").is_file()
                assert top in {"airflow", "datetime", "__future__"} or local, f"{file.name}: {name}"


def test_services_agree_between_the_platform_and_the_environment_repository(config: Config) -> None:
    assert config.deploy is not None
    applications = {
        app["metadata"]["name"]: app for app in (yaml.safe_load(f.read_text()) for f in (GITOPS / "apps").glob("*"))
    }
    for name, service in config.deploy.environments["prod"].services.items():
        application = applications[service.argocd.app]
        assert application["spec"]["project"] == service.argocd.project
        assert application["spec"]["source"]["repoURL"] == service.gitops.repo
        assert application["spec"]["destination"]["namespace"] == service.kubernetes.namespace
        chart = GITOPS / application["spec"]["source"]["path"]
        assert GITOPS / service.gitops.file == chart / "values.yaml"
        assert yaml.safe_load((chart / "values.yaml").read_text())["image"] == {
            "repository": f"shop/{name}",
            "tag": "1.0.0",
        }
        rollout = (chart / "templates" / "rollout.yaml").read_text()
        assert f"  name: {service.kubernetes.rollout}\n" in rollout
        steps = tuple(int(weight) for weight in re.findall(r"setWeight: (\d+)", rollout))
        assert steps == (service.strategy.canary.steps if service.strategy.canary else ())


def test_the_first_version_of_the_service_is_the_one_deployed() -> None:
    values = yaml.safe_load((GITOPS / "prod" / "recommender" / "values.yaml").read_text())
    assert (PLATFORM / "services" / "recommender" / "VERSION").read_text() == f"{values['image']['tag']}\n"


def test_templates_use_only_what_every_helm_renders_alike() -> None:
    allowed = re.compile(r"\{\{ \.(Values(\.\w+)+|Release\.(Name|Namespace))( \| quote)? \}\}")
    for template in GITOPS.glob("prod/*/templates/*.yaml"):
        assert "{{" not in allowed.sub("", template.read_text()), template


@pytest.mark.parametrize(
    ("variables", "changed", "jobs"),
    [
        ({"CI_PIPELINE_SOURCE": "merge_request_event"}, ["services/recommender/VERSION"], ["gate"]),
        ({"CI_COMMIT_BRANCH": "main"}, ["dags/shop_ingest.py"], ["merged", "dags"]),
        ({"CI_COMMIT_BRANCH": "main"}, ["services/recommender/VERSION"], ["merged", "dags", "recommender"]),
        ({"CI_COMMIT_BRANCH": "feature"}, ["README.md"], []),
    ],
)
def test_the_pipeline_gates_requests_and_delivers_the_default_branch(
    variables: dict[str, str], changed: list[str], jobs: list[str]
) -> None:
    pipeline = parse_ci_file((PLATFORM / ".gitlab-ci.yml").read_text())
    situation = Situation(variables={"CI_DEFAULT_BRANCH": "main"} | variables, changed=tuple(changed), files=())
    assert [job.name for job in pipeline.jobs if first_match(job.rules or (), situation)] == jobs
    assert all(job.retry_exit_codes == frozenset({4}) for job in pipeline.jobs)


def test_jenkins_takes_the_same_parameters_as_headgates_own_job() -> None:
    ours, theirs = (
        re.findall(r"string\(name: '(\w+)'", (folder / "Jenkinsfile").read_text())
        for folder in (PLATFORM, PLATFORM.parents[2])
    )
    assert ours == theirs
    assert {"SERVICE", "ENVIRONMENT", "VERSION", "SOURCE_COMMIT"} <= set(ours)


@pytest.mark.skipif(shutil.which("terraform") is None, reason="terraform is not installed")
def test_terraform_is_formatted() -> None:
    done = subprocess.run(
        ["terraform", "fmt", "-check", "-diff", "-recursive", str(PLATFORM / "infra")],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout
