"""One release from Git commit to settled target: ports, the pure plan, and the engine that may be killed anywhere."""
