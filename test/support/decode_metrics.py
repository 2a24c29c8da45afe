# Decodes requests of sinks with the published definitions: OTLP by OpenTelemetry's own package, remote write 2.0 and egressd's batches by
# protobuf over the fields that Prometheus and egressd (pb/metrics.proto of castai/egressd) publish, written down here once more. Question on standard input, answer on standard output, JSON.
import base64
import gzip
import json
import sys

import cramjam
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

TYPES = {"string": 9, "uint32": 13, "double": 1, "int64": 3, "int32": 5, "message": 11, "enum": 14}

# io.prometheus.write.v2: message → field → (number, type, repeated)
REMOTE_WRITE_2 = {
    "Request": {"symbols": (4, "string", True), "timeseries": (5, "TimeSeries", True)},
    "TimeSeries": {
        "labels_refs": (1, "uint32", True),
        "samples": (2, "Sample", True),
        "metadata": (5, "Metadata", False),
        "created_timestamp": (6, "int64", False),
    },
    "Sample": {"value": (1, "double", False), "timestamp": (2, "int64", False), "start_timestamp": (3, "int64", False)},
    "Metadata": {"type": (1, "uint32", False), "help_ref": (3, "uint32", False), "unit_ref": (4, "uint32", False)},
}

# PodNetworkMetric: 16 is reserved.
EGRESSD = {
    "PodNetworkMetricBatch": {"items": (1, "PodNetworkMetric", True)},
    "PodNetworkMetric": {
        "src_ip": (1, "string", False),
        "src_pod": (2, "string", False),
        "src_namespace": (3, "string", False),
        "src_node": (4, "string", False),
        "src_zone": (5, "string", False),
        "dst_ip": (6, "string", False),
        "dst_pod": (7, "string", False),
        "dst_namespace": (8, "string", False),
        "dst_node": (9, "string", False),
        "dst_zone": (10, "string", False),
        "tx_bytes": (11, "int64", False),
        "tx_packets": (12, "int64", False),
        "rx_bytes": (13, "int64", False),
        "rx_packets": (14, "int64", False),
        "proto": (15, "int32", False),
        "dst_dns_name": (17, "string", False),
    },
}


def message_class(package, messages, wanted):
    file = descriptor_pb2.FileDescriptorProto(name="definition.proto", package=package, syntax="proto3")
    for name, fields in messages.items():
        message = file.message_type.add(name=name)
        for field, (number, kind, repeated) in fields.items():
            added = message.field.add(name=field, number=number, label=3 if repeated else 1)
            if kind in TYPES:
                added.type = TYPES[kind]
            else:
                added.type = TYPES["message"]
                added.type_name = f".{package}.{kind}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.{wanted}"))


def no_unknown(message, path):
    """A field that the definition does not have is a field with a wrong number."""
    from google.protobuf.unknown_fields import UnknownFieldSet

    assert len(UnknownFieldSet(message)) == 0, path
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        for part in value if field.is_repeated else [value]:
            no_unknown(part, f"{path}.{field.name}")


def of_remote_write(body, Request):
    request = Request()
    request.ParseFromString(bytes(cramjam.snappy.decompress_raw(body)))
    no_unknown(request, "Request")
    assert request.symbols[0] == ""
    assert len(set(request.symbols)) == len(request.symbols)
    out = []
    for series in request.timeseries:
        names = [request.symbols[ref] for ref in series.labels_refs]
        [sample] = series.samples
        out.append(
            {
                "labels": [[name, value] for name, value in zip(names[::2], names[1::2])],
                "value": sample.value,
                "at": sample.timestamp,
                "start": sample.start_timestamp,
                "created": series.created_timestamp,
                "type": series.metadata.type,
                "help": request.symbols[series.metadata.help_ref],
                "unit": request.symbols[series.metadata.unit_ref],
            }
        )
    return out


def of_otlp(body):
    request = ExportMetricsServiceRequest()
    request.ParseFromString(gzip.decompress(body))
    no_unknown(request, "ExportMetricsServiceRequest")
    attributes = lambda values: {value.key: value.value.string_value for value in values}
    out = []
    for resource in request.resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                assert metric.WhichOneof("data") == "sum"
                for point in metric.sum.data_points:
                    out.append(
                        {
                            "resource": attributes(resource.resource.attributes),
                            "scope": [scope.scope.name, scope.scope.version],
                            "name": metric.name,
                            "description": metric.description,
                            "unit": metric.unit,
                            "temporality": metric.sum.aggregation_temporality,
                            "monotonic": metric.sum.is_monotonic,
                            "attributes": attributes(point.attributes),
                            "kind": point.WhichOneof("value"),
                            "value": point.as_int if point.WhichOneof("value") == "as_int" else point.as_double,
                            "start": str(point.start_time_unix_nano),
                            "at": str(point.time_unix_nano),
                        }
                    )
    return out


def of_egressd(body, Batch):
    batch = Batch()
    batch.ParseFromString(body)
    no_unknown(batch, "PodNetworkMetricBatch")
    # Counters as text: JSON's numbers are no 64-bit integers.
    text = lambda value: value if isinstance(value, str) else str(value)
    return [{name: text(getattr(item, name)) for name in EGRESSD["PodNetworkMetric"]} for item in batch.items]


question = json.load(sys.stdin)
bodies = [base64.b64decode(body) for body in question["bodies"]]
if question["kind"] == "otlp":
    answer = [of_otlp(body) for body in bodies]
elif question["kind"] == "egressd":
    Batch = message_class("egressd", EGRESSD, "PodNetworkMetricBatch")
    answer = [of_egressd(body, Batch) for body in bodies]
else:
    Request = message_class("io.prometheus.write.v2", REMOTE_WRITE_2, "Request")
    answer = [of_remote_write(body, Request) for body in bodies]
json.dump(answer, sys.stdout)
