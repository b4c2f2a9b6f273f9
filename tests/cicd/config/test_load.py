"""Loading headgate.yaml: where it is found, what is wrong with it, all at once."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from cicd.config.document import MAX_BYTES, MAX_DEPTH, MAX_VALUES
from cicd.config.load import load, parse_config
from cicd.config.model import Config
from cicd.config.places import find
from cicd.config.problems import InvalidConfigError, nearest
from headgate.errors import ConfigError

MINIMAL = "version: 1\nproject: shop\n"


def problems(text: str) -> list[str]:
    """The lines that are reported for `text`, after the file's name."""
    with pytest.raises(InvalidConfigError) as caught:
        parse_config(text.encode(), "f")
    return [problem.line("f") for problem in caught.value.problems]


def outcome(data: bytes) -> Config | ConfigError:
    """What a caller gets; any other exception fails the test."""
    try:
        return parse_config(data)
    except ConfigError as error:
        return error


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("version: 1\nproject: shop\ngats: {}\n", "f:3:1: gats: unknown key; the nearest is 'gates'"),
        (MINIMAL + "gates:\n  dag: {}\n", "f:4:3: gates.dag: unknown key; the nearest is 'dags'"),
        (
            MINIMAL + "forge: {url: https://g, project: p, kind: gitlap}\n",
            "f:3:43: forge.kind: 'gitlap' is not one of 'gitlab'; the nearest is 'gitlab'",
        ),
        (MINIMAL + "gates:\n  dags:\n    airflow: 3\n", 'f:5:14: gates.dags.airflow: write it in quotes: "3"'),
        (
            MINIMAL + "gates:\n  dags:\n    require: [ownr]\n",
            (
                "f:5:15: gates.dags.require[0]: 'ownr' is not one of 'owner', 'start_date', 'tags', 'retries', 'schedule';"
                " the nearest is 'owner'"
            ),
        ),
        (
            MINIMAL + "gates:\n  quality:\n    - {name: a, suite: s, data: d, timeout-s: 5}\n",
            "f:5:36: gates.quality[0].timeout-s: unknown key; the nearest is 'timeout_s'",
        ),
        (
            MINIMAL + "gates:\n  quality:\n    - {name: a, suite: s, data: d, sample: 1.0}\n",
            "f:5:44: gates.quality[0].sample: input should be less than 1, found 1.0",
        ),
        (
            MINIMAL + "gates:\n  quality:\n    - {name: a, suite: s, data: d, sample_passes: true}\n",
            "f:5:7: gates.quality[0]: sample_passes is about a sample: set sample",
        ),
        ("project: shop\n", "f:1:1: version: required, but not given"),
        ("version: 2\nproject: shop\n", "f:1:10: version: 2 is not one of 1"),
        (MINIMAL + "dags:\n  source: x\n", "f:3:1: dags.targets: required, but not given"),
        (
            MINIMAL + "dags:\n  targets:\n    Prod: {bucket: gs://b}\n",
            (
                "f:5:5: dags.targets.Prod: 'Prod': use lower-case letters, digits, '.', '_' and '-', beginning and ending"
                " with a letter or digit"
            ),
        ),
        (
            MINIMAL + "dags:\n  targets:\n    p: {bucket: ftp://b}\n",
            "f:5:17: dags.targets.p.bucket: 'ftp://b': must be gs://bucket/prefix, s3://bucket/prefix or file:///folder",
        ),
        (
            MINIMAL + "dags:\n  targets:\n    p: {bucket: gs://b, timeout_s: .inf}\n",
            "f:5:36: dags.targets.p.timeout_s: input should be a finite number, found inf",
        ),
        (
            MINIMAL + "dags:\n  targets:\n    p: {bucket: gs://b, keep_releases: 0}\n",
            "f:5:40: dags.targets.p.keep_releases: input should be greater than or equal to 1, found 0",
        ),
        (
            MINIMAL + "gates: [unit]\n",
            "f:3:8: gates: input should be a valid dictionary or instance of GatesConfig",
        ),
        (
            MINIMAL + "gates:\n",
            "f:3:7: gates: input should be a valid dictionary or instance of GatesConfig, found nothing",
        ),
        (
            MINIMAL + "analysis:\n  e: {source: prometheus, errors: a, total: b, max_ratio: 0.1}\n",
            "f:4:6: analysis.e: source prometheus needs url",
        ),
        (
            MINIMAL + "gates:\n  quality:\n    - {name: a, suite: s, data: d}\n    - {name: a, suite: s, data: d}\n",
            "f:6:14: gates.quality[1].name: another quality check is already called 'a'",
        ),
        (MINIMAL + '"a\\tb": 1\n', None),
    ],
)
def test_each_problem_names_its_line_and_the_nearest_valid_name(text: str, expected: str | None) -> None:
    found = problems(text)
    if expected is None:
        assert all(line.isprintable() for line in found)
    else:
        assert found == [expected]


DEPLOY = """\
deploy:
  environments:
    prod:
      services:
        reco:
          argocd: {url: https://a, app: x}
          gitops: {repo: a, file: b, key: c}
          kubernetes: {namespace: n, rollout: r}
          strategy: STRATEGY
analysis:
  error-ratio: {source: openmetrics, errors: a, total: b, max_ratio: 0.1}
"""


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        (
            "{canary: {analysis: [error-rate]}}",
            (
                "f:11:42: deploy.environments.prod.services.reco.strategy.canary.analysis[0]: no analysis is called"
                " 'error-rate'; the nearest is 'error-ratio'"
            ),
        ),
        (
            "{blue_green: {analysis: [error-ratio], soak: [x]}}",
            (
                "f:11:67: deploy.environments.prod.services.reco.strategy.blue_green.soak[0]: no analysis is called 'x';"
                " there are: error-ratio"
            ),
        ),
        ("{}", "f:11:21: deploy.environments.prod.services.reco.strategy: give exactly one of canary and blue_green"),
    ],
)
def test_references_and_combinations(strategy: str, expected: str) -> None:
    assert problems(MINIMAL + DEPLOY.replace("STRATEGY", strategy)) == [expected]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("{url: https://a, app: x}", "{mode: core, app: x, namespace: argocd}"), None),
        (("strategy:", "lock: lease\n          strategy:"), None),
        (
            ("{url: https://a, app: x}", "{app: x}"),
            "reco.argocd: give url, the Argo CD server; or set mode: core to work without one",
        ),
        (
            ("{url: https://a, app: x}", "{mode: core, url: https://a, app: x}"),
            "reco.argocd: mode core asks no Argo CD server: remove url",
        ),
        (
            ("{url: https://a, app: x}", "{mode: cores, app: x}"),
            "reco.argocd.mode: 'cores' is not one of 'server', 'core'; the nearest is 'core'",
        ),
        (
            ("strategy:", "lock: leases\n          strategy:"),
            "reco.lock: 'leases' is not one of 'git', 'lease'; the nearest is 'lease'",
        ),
    ],
)
def test_way_to_argo_cd_and_place_of_the_lock(change: tuple[str, str], expected: str | None) -> None:
    text = MINIMAL + DEPLOY.replace(*change).replace("STRATEGY", "{canary: {analysis: [error-ratio]}}")
    if expected is None:
        assert parse_config(text.encode(), "f").deploy is not None
    else:
        (found,) = problems(text)
        assert found.endswith(f"services.{expected}")


def test_every_error_is_reported_at_once_in_the_order_of_lines() -> None:
    strategy = "{canary: {analysis: [missing], max_step: 5}}"
    text = "version: 1\ngates: {unit: {timeout_s: -1}}\n" + DEPLOY.replace("STRATEGY", strategy) + "obs: {}\n"
    found = problems(text)
    assert [line.split(": ")[1] for line in found] == [
        "project",
        "gates.unit.timeout_s",
        "deploy.environments.prod.services.reco.strategy.canary.analysis[0]",
        "deploy.environments.prod.services.reco.strategy.canary.max_step",
        "obs",
    ]


def test_the_message_ends_with_the_next_step() -> None:
    with pytest.raises(InvalidConfigError) as caught:
        parse_config(b"version: 1\n", "headgate.yaml")
    text = str(caught.value)
    assert text.startswith("1 problem in the configuration:\nheadgate.yaml:1:1: project: required")
    assert "headgate config check" in text.splitlines()[-1]


def test_a_flood_of_problems_is_cut() -> None:
    text = MINIMAL + "".join(f"key{number}: 1\n" for number in range(300))
    with pytest.raises(InvalidConfigError) as caught:
        parse_config(text.encode(), "f")
    assert len(caught.value.problems) == 300
    assert "... and 200 more" in str(caught.value)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "the file is empty"),
        (b"# only a comment\n", "the file is empty"),
        (b"\xef\xbb\xbf", "the file is empty"),
        (b"hello", "expected a mapping of settings, found a single value"),
        (b"- a\n", "expected a mapping of settings, found a list"),
        (b"version: 1\n\tproject: x\n", "f:2:1: the line is indented with a tab"),
        (b"a: 1\nb: \xff\n", "f:2: the file is not UTF-8 text"),
        (b"a: [1\n", "this is not valid YAML"),
        (b"a: \x07\n", "f:1:4: this is not valid YAML: the character '\\x07' is not allowed"),
        (b"a: 1\na: 2\n", "f:2:1: the key 'a' is given twice (first on line 1)"),
        (b"a: {b: 1, b: 2}\n", "f:1:11: the key 'b' is given twice"),
        (b"on: 1\n", "f:1:1: keys must be text"),
        (b"? [a]\n: 1\n", "f:1:3: keys must be text"),
        (b"a: !!python/object:os.system {}\n", "is not supported"),
        (b"a: !mine [1]\n", "is not supported"),
        (b"a: !!bool perhaps\n", "cannot be read as bool"),
        (b"a: !!int ''\n", "cannot be read as int"),
        (b"a: *gone\n", "undefined alias"),
        (b"<<: 3\n", "`<<` takes a mapping"),
        (b"a: 1\n---\nb: 1\n", "another document"),
        (b"a: &x [*x]\n", "once its aliases are followed"),
        (b"[" * (MAX_DEPTH + 1), f"nested more than {MAX_DEPTH} levels"),
        (b"a: " + b"x" * MAX_BYTES, "larger than 256 KiB"),
    ],
)
def test_what_is_not_a_configuration_at_all(data: bytes, expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(data, "f")
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_aliases_cannot_multiply_without_bound() -> None:
    levels = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    levels += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    assert MAX_VALUES < 10**9
    with pytest.raises(ConfigError, match="once its aliases are followed"):
        parse_config("\n".join(levels).encode(), "f")


def test_anchors_and_merge_keys_work() -> None:
    text = MINIMAL + (
        "analysis:\n"
        "  a: &base {source: openmetrics, errors: e, total: t, max_ratio: 0.1}\n"
        "  b: {<<: *base, max_ratio: 0.2}\n"
    )
    config = parse_config(text.encode())
    assert (config.analysis["b"].errors, config.analysis["b"].max_ratio) == ("e", 0.2)


@pytest.mark.parametrize(
    ("name", "expected"), [("gats", "gates"), ("GATES", "gates"), ("zzz", None), ("dag-s", "dags"), ("", None)]
)
def test_nearest(name: str, expected: str | None) -> None:
    assert nearest(name, ["gates", "dags", "deploy"]) == expected


@settings(max_examples=150, deadline=None)
@given(
    st.one_of(st.text(), st.text(alphabet="ab:-[]{}\n &*!'\"|>?,#%1"), st.binary().map(lambda b: b.decode("latin-1")))
)
def test_any_text_is_a_config_or_a_config_error(text: str) -> None:
    assert isinstance(outcome(text.encode("utf-8", "surrogatepass")), Config | ConfigError)


_keys = st.sampled_from(
    ["version", "project", "gates", "unit", "quality", "dags", "deploy", "analysis", "environments"]
)
_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_keys | st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(_keys, _values, max_size=5))
def test_any_mapping_is_a_config_or_problems_inside_the_file(value: dict[str, object]) -> None:
    text = yaml.safe_dump(value, allow_unicode=True)
    lines = text.count("\n") + 1
    found = outcome(text.encode())
    listed = found.problems if isinstance(found, InvalidConfigError) else ()
    assert all(1 <= problem.position.line <= lines and problem.what for problem in listed)
    assert listed or not isinstance(found, InvalidConfigError)


def test_the_nearest_file_upwards_is_found_and_gives_the_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "headgate.yaml").write_text(MINIMAL)
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    monkeypatch.chdir(inner)
    config, root = load()
    assert (config.project, root) == ("shop", tmp_path)


def test_a_file_above_the_repository_is_not_picked_up(tmp_path: Path) -> None:
    (tmp_path / "headgate.yaml").write_text(MINIMAL)
    repository = tmp_path / "repository"
    (repository / ".git").mkdir(parents=True)
    assert find(repository) is None


@pytest.mark.parametrize("name", ["missing.yaml", ".", "nul\0byte"])
def test_a_named_file_that_cannot_be_read(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="the configuration cannot be read"):
        load(str(tmp_path / name))


def test_without_a_file_and_without_anything_to_gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="headgate init"):
        load()


def test_without_a_file_the_repository_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_a.py").touch()
    monkeypatch.chdir(tmp_path)
    config, root = load()
    assert root == tmp_path
    assert config.gates.unit is not None
