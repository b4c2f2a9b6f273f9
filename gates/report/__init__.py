"""Renderings of a verdict tree: text, JSON, JUnit, GitLab Code Quality and the merge-request note."""
