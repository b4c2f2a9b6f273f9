"""The top floor: command line, config, GitLab, Jenkins, DAG delivery, the sandbox; it wires the rest together."""
