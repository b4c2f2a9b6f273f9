"""Engines that answer metrics about a batch: where the data is, there the question goes."""
