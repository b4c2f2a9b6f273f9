"""A small Kubernetes with Argo Rollouts semantics and workloads that misbehave on demand.

`cluster` stores objects, `rollouts` decides what a Rollout does next, `workloads` runs pods and traffic, `api` speaks
HTTP, `sandbox` puts them together.
"""
