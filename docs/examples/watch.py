"""Follows the flows of a cluster: prints what each pair of workloads costs, and goes on where it was after a restart.

pip install grpcio grpcio-tools
python -m grpc_tools.protoc -I proto --python_out . --grpc_python_out . flowtoll/v1/flow_service.proto
python watch.py host:port file-for-the-token
"""

import pathlib
import sys
import time

import grpc
from flowtoll.v1 import flow_service_pb2 as pb
from flowtoll.v1 import flow_service_pb2_grpc

COLUMNS = ["namespace", "workload", "peer_workload", "traffic_class", "tx_bytes", "tx_cost"]


def values(column, row_count):
    """The values of a column, row by row; None for null."""
    kind = column.WhichOneof("values")
    if kind is None:
        return [None] * row_count
    data = getattr(column, kind)
    if kind == "text":
        words = [None, *data.dictionary]
        return [words[code] for code in data.codes] or [words[-1]] * row_count
    if not data.values:
        return [None] * row_count
    nulls = data.nulls or bytes(row_count)
    return [None if is_null else value for value, is_null in zip(data.values, nulls)]


def keep(token_file, token):
    """Whole or not at all, by another name."""
    new = token_file.with_suffix(".new")
    new.write_text(token)
    new.replace(token_file)


def follow(stub, token_file):
    if token_file.exists():
        request = pb.WatchRequest(resume_token=token_file.read_text(), columns=COLUMNS)
    else:
        request = pb.WatchRequest(oldest=True, columns=COLUMNS)
    for message in stub.Watch(request):
        kind = message.WhichOneof("event")
        if kind == "rows":
            rows = message.rows
            for namespace, workload, peer, traffic_class, sent, cost in zip(
                *(values(column, rows.row_count) for column in rows.columns)
            ):
                usd = (cost or 0) / 1e12
                print(f"{namespace}/{workload} → {peer} {traffic_class} {sent} bytes ${usd}", flush=True)
        elif kind != "progress":
            print(f"not a row: {kind}", file=sys.stderr)
        # After the rows are processed: whoever dies before sees them again.
        keep(token_file, message.resume_token)


def main():
    server, token_file = sys.argv[1], pathlib.Path(sys.argv[2])
    stub = flow_service_pb2_grpc.FlowServiceStub(grpc.insecure_channel(server))
    while True:
        try:
            follow(stub, token_file)
        except grpc.RpcError as error:
            print(error.details(), file=sys.stderr)
            if error.code() == grpc.StatusCode.OUT_OF_RANGE:
                # Rows are missed: which ones, and where to go on, is in the trailer.
                trailers = dict(error.trailing_metadata())
                missed = pb.ResumeExpired.FromString(trailers["flowtoll-resume-expired-bin"])
                keep(token_file, missed.resume_token)
            elif error.code() != grpc.StatusCode.UNAVAILABLE:
                sys.exit(1)
        time.sleep(1)


if __name__ == "__main__":
    main()
