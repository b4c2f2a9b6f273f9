"""What happened: delivery events, the store, DORA metrics, Prometheus, traces, the dashboard."""
