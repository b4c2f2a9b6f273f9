"""What all sections of `headgate.yaml` are made of."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

from cicd.config import dags_terms

Name = Annotated[str, StringConstraints(pattern=dags_terms.NAME, max_length=dags_terms.NAME_LENGTH)]
Url = Annotated[str, StringConstraints(pattern=r"^https?://[^\s]+$")]


class Section(BaseModel):
    """Base of all sections: frozen, and unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False)
