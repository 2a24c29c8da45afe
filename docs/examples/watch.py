"""Follows the flows of a cluster: prints what each pair of workloads costs, and goes on where it was after a restart.

pip install grpcio grpcio-tools
python -m grpc_tools.protoc -I proto --python_out . --grpc_python_out . flowtoll/v1/flow_service.proto
python watch.py host:port file-for-the-place

FLOWTOLL_TLS_CA names a file of the authorities to trust, FLOWTOLL_TOKEN_FILE one with a token to show.
"""

import os
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


def keep(place_file, place):
    """Whole or not at all, by another name."""
    new = place_file.with_suffix(".new")
    new.write_text(place)
    new.replace(place_file)


def connect(server):
    authorities = os.environ.get("FLOWTOLL_TLS_CA")
    if authorities is None:
        return grpc.insecure_channel(server)
    return grpc.secure_channel(server, grpc.ssl_channel_credentials(pathlib.Path(authorities).read_bytes()))


def read_token():
    """Read anew for each call: Kubernetes renews it."""
    file = os.environ.get("FLOWTOLL_TOKEN_FILE")
    return file and pathlib.Path(file).read_text().strip()


def follow(stub, place_file, token):
    if place_file.exists():
        request = pb.WatchRequest(resume_token=place_file.read_text(), columns=COLUMNS)
    else:
        request = pb.WatchRequest(oldest=True, columns=COLUMNS)
    metadata = [("authorization", f"Bearer {token}")] if token else []
    for message in stub.Watch(request, metadata=metadata):
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
        keep(place_file, message.resume_token)


def main():
    server, place_file = sys.argv[1], pathlib.Path(sys.argv[2])
    stub = flow_service_pb2_grpc.FlowServiceStub(connect(server))
    while True:
        token = read_token()
        try:
            follow(stub, place_file, token)
        except grpc.RpcError as error:
            print(error.details(), file=sys.stderr)
            if error.code() == grpc.StatusCode.OUT_OF_RANGE:
                # Rows are missed: which ones, and where to go on, is in the trailer.
                trailers = dict(error.trailing_metadata())
                missed = pb.ResumeExpired.FromString(trailers["flowtoll-resume-expired-bin"])
                keep(place_file, missed.resume_token)
            elif error.code() == grpc.StatusCode.UNAUTHENTICATED and read_token() != token:
                pass  # It was renewed.
            elif error.code() != grpc.StatusCode.UNAVAILABLE:
                sys.exit(1)
        time.sleep(1)


if __name__ == "__main__":
    main()
