"""`headgate.yaml`: the model, loading with line numbers, detection of defaults."""
