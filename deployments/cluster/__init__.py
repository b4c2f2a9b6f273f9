"""The Kubernetes API: credentials (`credentials`), calls (`api`), what errors mean (`failures`), rights, the Lease lock."""
