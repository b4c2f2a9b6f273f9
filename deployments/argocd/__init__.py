"""Argo CD: requests and answers without I/O (`sansio`), the wait rule (`waiting`) and a thin client (`client`)."""
