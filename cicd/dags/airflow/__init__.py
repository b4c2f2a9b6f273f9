"""Waiting until Airflow has parsed a release of DAGs, over its REST API.

`watch` says what to look at, `decide` what was seen means (both pure), `protocol` knows the API's requests and answers
(no I/O), `access` proves who asks, `client` asks, `release` reads what is in force, `wait` is the loop, `report` the words.
"""
