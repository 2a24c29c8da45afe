"""Reads columns of a Delta table with delta-rs, wherever it is.

stdin: {"table": URI, "options": storage options of delta-rs, "columns": names}.
stdout: {"version": number, "rows": [values by column, as JSON]}.
"""

import json
import os
import sys

from deltalake import DeltaTable

request = json.load(sys.stdin)
table = DeltaTable(request["table"], storage_options=request["options"])
columns = request["columns"]
rows = table.to_pyarrow_table(columns=columns).to_pylist()
json.dump({"version": table.version(), "rows": [[row[name] for name in columns] for row in rows]}, sys.stdout)
# Threads of delta-rs are not joined when the interpreter ends: that sometimes aborts it, and may leave it waiting for ever.
sys.stdout.flush()
os._exit(0)
