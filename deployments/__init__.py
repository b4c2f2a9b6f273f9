"""How it goes out: rollout decisions, metric analysis, Argo CD, Argo Rollouts, the GitOps repository."""
