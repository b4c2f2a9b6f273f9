"""The floor for any table: a hash of some of its columns, in DuckDB. Arguments: the file, the names of the columns."""

import sys

import duckdb

names = ", ".join('"' + name.replace('"', '""') + '"' for name in sys.argv[2:])
duckdb.execute(f"SELECT bit_xor(hash({names})) FROM read_parquet(?)", [sys.argv[1]]).fetchone()
print('{"checks": 0, "passed": 0, "raised": 0}')
