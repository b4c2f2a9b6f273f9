"""The GitOps repository: one-line version edits, release and revert commits, and the lock on a target."""
