"""A small GitLab: REST v4 over real bare Git repositories, and a runner for `.gitlab-ci.yml`.

`model` holds the records, `repository` the Git side, `ci_file` and `rules` read pipelines, `schedule` decides which job
is next, `runner` runs it, `merging` merges, `shapes` and the `api_*` modules speak HTTP, `sandbox` puts them together.
It keeps to what Headgate and its demo use; everything it answers has the form of GitLab's API documentation.
"""
