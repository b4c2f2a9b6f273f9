"""Commit ranges: what lies between two deployed commits, from a mirror clone or from the forge, kept in the log."""
