"""The catalogue: what each expectation type of Great Expectations needs to know, and how it judges it. Pure."""

from gates.quality.expectations.registry import NotPlanned, plan, planned_types

__all__ = ["NotPlanned", "plan", "planned_types"]
