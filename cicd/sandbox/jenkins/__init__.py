"""A small Jenkins: its JSON endpoints over one controller that runs declarative Jenkinsfiles.

`jenkinsfile` reads a pipeline, `controller` holds jobs, queue and builds, `execution` runs a build, `shapes` and `api`
speak HTTP, `sandbox` puts them together. It keeps to what Headgate and its demo use.
"""
