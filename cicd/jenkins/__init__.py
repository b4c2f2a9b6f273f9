"""Jenkins: start the delivery job exactly once, follow it, and say what came of it."""
