"""The collector: webhooks and CDEvents of other tools become delivery events.

One pure translator a sender (`gitlab`, `github`, `bitbucket`, `jenkins`, `argocd`, `alertmanager`, `pagerduty`,
`cdevents`), pure verification of signatures, and a thin shell around them that answers only when the log has it.
"""
