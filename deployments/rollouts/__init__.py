"""Reading an Argo Rollouts resource (`status`) and deciding the next action (`decide`); both pure."""
