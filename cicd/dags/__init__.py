"""DAG delivery: the tree of one commit becomes a release in the bucket that Airflow reads.

A release is named by a manifest that is written last, by compare-and-swap. Objects that the manifest does not own are
never overwritten or deleted. All bookkeeping lies beside the DAG folder, never in it: see `layout`.
"""
