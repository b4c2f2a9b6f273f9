"""What a dbt model is made from, by a manifest."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gates.quality.dbt import PROJECT_FILES, made_from, parse_manifest
from headgate.errors import ConfigError


def node(path: str, *nodes: str, macros: tuple[str, ...] = (), **more: Any) -> dict[str, Any]:
    name = path.rpartition("/")[2].partition(".")[0]
    return {
        "name": name,
        "original_file_path": path,
        "depends_on": {"nodes": list(nodes), "macros": list(macros)},
        **more,
    }


DOCUMENT = {
    "metadata": {"dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json"},
    "nodes": {
        "model.shop.fct_orders": node(
            "models/fct_orders.sql",
            "model.shop.stg_orders",
            "seed.shop.countries",
            macros=("macro.shop.cents",),
            patch_path="shop://models/schema.yml",
        ),
        "model.shop.stg_orders": node("models/stg_orders.sql", "source.shop.raw.orders"),
        "seed.shop.countries": {"name": "countries", "original_file_path": "seeds/countries.csv"},
        "model.shop.dim_other": node("models/dim_other.sql", "model.shop.fct_orders"),
        "test.shop.not_null": node("models/schema.yml", "model.shop.fct_orders"),
        "model.shop.round": node("models/a.sql", "model.shop.trip"),
        "model.shop.trip": node("models/b.sql", "model.shop.round", "model.gone.away"),
        "model.package.dim_other": node("models/dim_other.sql"),
    },
    "sources": {"source.shop.raw.orders": {"name": "orders", "original_file_path": "models/sources.yml"}},
    "macros": {"macro.shop.cents": node("macros/cents.sql")},
}
MANIFEST = parse_manifest(json.dumps(DOCUMENT).encode(), "manifest.json")


@pytest.mark.parametrize("model", ["fct_orders", "model.shop.fct_orders"])
def test_the_files_of_a_model_and_of_all_it_depends_on(model: str) -> None:
    assert set(made_from(MANIFEST, model)) - set(PROJECT_FILES) == {
        "models/fct_orders.sql",
        "models/schema.yml",
        "models/stg_orders.sql",
        "models/sources.yml",
        "seeds/countries.csv",
        "macros/cents.sql",
    }
    assert set(PROJECT_FILES) <= set(made_from(MANIFEST, model))


def test_a_circle_ends() -> None:
    assert set(made_from(MANIFEST, "model.shop.trip")) - set(PROJECT_FILES) == {"models/a.sql", "models/b.sql"}


@pytest.mark.parametrize("model", ["unknown", "dim_other", "orders", "not_null", ""])
def test_what_is_not_known_for_sure_is_nothing(model: str) -> None:
    assert made_from(MANIFEST, model) == ()


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"[]", b'{"nodes": [], "macros": {}}', b"\xff", b'"text"', b"[" * 100_000]
)
def test_what_is_no_manifest(data: bytes) -> None:
    with pytest.raises(ConfigError, match="no manifest of dbt"):
        parse_manifest(data, "manifest.json")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
entries = st.dictionaries(
    st.sampled_from(["a", "model.b.c", "macro.d"]),
    st.fixed_dictionaries(
        {}, optional=dict.fromkeys(("name", "original_file_path", "patch_path", "depends_on"), json_values)
    ),
)


@given(entries, entries)
def test_hostile_manifests_are_read_or_refused(nodes: dict[str, Any], macros: dict[str, Any]) -> None:
    manifest = parse_manifest(json.dumps({"nodes": nodes, "macros": macros}).encode(), "manifest.json")
    for name in ("a", "model.b.c", "None"):
        assert all(isinstance(file, str) for file in made_from(manifest, name))
