"""Writes to a Delta table with delta-rs, wherever it is, as another program of the user's might.

stdin: {"table": URI, "options": storage options of delta-rs, "do": list of steps}. A step is
{"append": rows (values by column, the others are null)}, "optimize", "vacuum" (with the retention that the table asks for),
"checkpoint", or "cleanup" (entries of the log that a checkpoint has made superfluous and that are old).
stdout: {"version": number}.
"""

import datetime
import json
import os
import sys

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


def value_of(value, type_):
    if value is not None and pa.types.is_timestamp(type_):
        return EPOCH + datetime.timedelta(microseconds=value)
    if value is not None and pa.types.is_date(type_):
        return datetime.date.fromisoformat(value)
    return value


def append(rows):
    table = DeltaTable(request["table"], storage_options=request["options"])
    schema = pa.schema(table.schema().to_arrow())
    columns = [pa.array([value_of(row.get(field.name), field.type) for row in rows], field.type) for field in schema]
    write_deltalake(table, pa.Table.from_arrays(columns, schema=schema), mode="append")


STEPS = {
    "optimize": lambda table: table.optimize.compact(),
    "vacuum": lambda table: table.vacuum(dry_run=False, full=True),
    "checkpoint": lambda table: table.create_checkpoint(),
    "cleanup": lambda table: table.cleanup_metadata(),
}

request = json.load(sys.stdin)
for step in request["do"]:
    if isinstance(step, dict):
        append(step["append"])
    else:
        STEPS[step](DeltaTable(request["table"], storage_options=request["options"]))
version = DeltaTable(request["table"], storage_options=request["options"]).version()
json.dump({"version": version}, sys.stdout)
# Threads of delta-rs are not joined when the interpreter ends: that sometimes aborts it, and may leave it waiting for ever.
sys.stdout.flush()
os._exit(0)
