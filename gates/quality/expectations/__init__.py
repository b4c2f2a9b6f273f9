"""The catalogue: what each expectation type of Great Expectations needs to know, and how it judges it. Pure."""

from gates.quality.expectations.context import Reference
from gates.quality.expectations.registry import NotPlanned, arguments_of, configured, plan, planned_types

__all__ = ["NotPlanned", "Reference", "arguments_of", "configured", "plan", "planned_types"]
