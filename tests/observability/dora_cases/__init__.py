"""Hand-written histories of one service with the numbers worked out by hand, one module a subject."""
