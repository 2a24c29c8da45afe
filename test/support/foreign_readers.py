"""Reads a Delta table with delta-rs (its own engine) and with PyArrow, for foreign-readers.test.ts.

stdin: {"table": path, "id": column, "filters": [{"column", "op", "value"}]}, values as text.
stdout: {"rows": every row as text, "files": count, "filters": [{"unskipped", "pyarrow", "deltaRs": ids, "filesRead"}]}.
"""

import datetime
import decimal
import json
import operator
import os
import sys

import pyarrow as pa
import pyarrow.dataset as pads
import pyarrow.parquet as pq
from deltalake import DeltaTable, QueryBuilder

OPERATORS = {"=": operator.eq, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


def python_value(text, type_):
    if pa.types.is_timestamp(type_):
        return EPOCH + datetime.timedelta(microseconds=int(text))
    if pa.types.is_integer(type_):
        return int(text)
    if pa.types.is_decimal(type_):
        return decimal.Decimal(text)
    if pa.types.is_date(type_):
        return datetime.date.fromisoformat(text)
    return text


def sql_literal(text, type_):
    if pa.types.is_timestamp(type_):
        return f"arrow_cast({text}, 'Timestamp(Microsecond, Some(\"UTC\"))')"
    if pa.types.is_integer(type_):
        return text
    if pa.types.is_decimal(type_):
        return f"CAST('{text}' AS DECIMAL(18,12))"
    if pa.types.is_date(type_):
        return f"DATE '{text}'"
    return "'" + text.replace("'", "''") + "'"


def text_of(value):
    if value is None:
        return None
    if isinstance(value, datetime.datetime):
        return str((value - EPOCH) // datetime.timedelta(microseconds=1))
    if isinstance(value, list):  # a map
        return sorted([key, item] for key, item in value)
    return format(value, "f") if isinstance(value, decimal.Decimal) else str(value)


def compare(value, op, wanted):
    if value is None:
        return False
    if isinstance(value, str):  # Python orders by code point, and so do UTF-8 bytes.
        value, wanted = value.encode(), wanted.encode()
    return OPERATORS[op](value, wanted)


def main():
    request = json.load(sys.stdin)
    id_column = request["id"]
    table = DeltaTable(request["table"])
    dataset = table.to_pyarrow_dataset()
    schema = dataset.schema
    # Without any skipping: every file of the log, whole, by PyArrow alone; then the filter in Python.
    rows = []
    for uri in table.file_uris():
        day = uri.split("date=")[1][:10]
        # A file from before a column was added lacks it.
        for row in pq.ParquetFile(uri).read().to_pylist():
            rows.append({**row, "date": datetime.date.fromisoformat(day)})
    answers = []
    builder = QueryBuilder().register("flows", table)
    for item in request["filters"]:
        column, op = item["column"], item["op"]
        type_ = schema.field(column).type
        if op == "is null":
            unskipped = [row for row in rows if row.get(column) is None]
            expression = pads.field(column).is_null()
            condition = f'"{column}" IS NULL'
        else:
            wanted = python_value(item["value"], type_)
            unskipped = [row for row in rows if compare(row.get(column), op, wanted)]
            expression = OPERATORS[op](pads.field(column), pa.scalar(wanted, type_))
            condition = f'"{column}" {op} {sql_literal(item["value"], type_)}'
        by_delta_rs = pa.table(builder.execute(f"SELECT {id_column} FROM flows WHERE {condition}").read_all())
        answers.append(
            {
                "unskipped": sorted(row[id_column] for row in unskipped),
                "pyarrow": sorted(dataset.to_table(columns=[id_column], filter=expression)[id_column].to_pylist()),
                "deltaRs": sorted(by_delta_rs[id_column].to_pylist()),
                "filesRead": len(list(dataset.get_fragments(filter=expression))),
            }
        )
    everything = table.to_pyarrow_table().to_pylist()
    json.dump(
        {
            "version": table.version(),
            "files": len(table.file_uris()),
            "rows": [{name: text_of(value) for name, value in row.items()} for row in everything],
            "filters": answers,
        },
        sys.stdout,
    )


main()
# Threads of delta-rs are not joined when the interpreter ends: that sometimes aborts it, and may leave it waiting for ever.
sys.stdout.flush()
os._exit(0)
