"""An Argo CD that reads real Git repositories and applies them to the sandbox's Kubernetes.

Pure parts: `helm`, `health`, `compare`, `tree`, `windows`, `wire`. `sources` reads Git, `controller` reconciles and runs
operations, `applications` holds the write rules of the API, `routes` speaks HTTP, `sandbox` puts them together.
"""
