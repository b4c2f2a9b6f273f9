"""The JSON Schema of `headgate.yaml`, for editors: field docstrings as descriptions, unknown keys refused. Pure."""

from __future__ import annotations

import inspect
from typing import Any

from pydantic import BaseModel

from cicd.config.model import Config

SCHEMA_ID = "urn:headgate:config:1"


def json_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of the configuration, deterministic from run to run."""
    schema = Config.model_json_schema(mode="validation")
    for definition in (schema, *schema.get("$defs", {}).values()):
        _tidy(definition)
    schema["title"] = "headgate.yaml"
    schema["description"] = inspect.getdoc(Config) or ""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": SCHEMA_ID, **schema}


def _tidy(definition: dict[str, Any]) -> None:
    """Drop the titles that pydantic makes of names (they only repeat them), and docstrings that a section inherits."""
    if definition.get("description") == inspect.getdoc(BaseModel):
        definition.pop("description")
    for field in definition.get("properties", {}).values():
        field.pop("title", None)
