"""The command line: thin functions that return exit codes; nothing is decided here."""
