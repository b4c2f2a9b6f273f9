"""Ground floor of Headgate: errors, exit codes, clock, processes, Git, HTTP and secrets."""

__version__ = "0.1.0"
