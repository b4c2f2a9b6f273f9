"""Waiting until Airflow has parsed a release of DAGs, over its REST API.

`watch` says what to look at, `decide` what was seen means (both pure), `protocol` knows the API's requests and answers
(no I/O), `client` asks, `wait` is the loop, `report` the words.
"""
