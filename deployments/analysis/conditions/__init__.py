"""Argo Rollouts' `successCondition` and `failureCondition`: a small language, parsed and evaluated here, never by eval."""
