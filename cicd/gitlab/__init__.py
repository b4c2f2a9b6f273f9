"""GitLab: the sticky note, commit statuses, merge requests and deployment records, behind the `Forge` port."""
