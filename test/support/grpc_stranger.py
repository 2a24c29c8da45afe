# A stranger with nothing but an address: health, reflection, and the messages of FlowService as reflection describes them.
# Prints what it finds as one JSON object. Usage: grpc_stranger.py host:port
import json
import sys

import grpc
from google.protobuf import descriptor_pool, json_format, message_factory
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

channel = grpc.insecure_channel(sys.argv[1])
health = health_pb2_grpc.HealthStub(channel)


def status(service):
    try:
        answer = health.Check(health_pb2.HealthCheckRequest(service=service), timeout=20)
        return health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
    except grpc.RpcError as error:
        return error.code().name


database = ProtoReflectionDescriptorDatabase(channel)
pool = descriptor_pool.DescriptorPool(database)
watch = pool.FindServiceByName("flowtoll.v1.FlowService").FindMethodByName("Watch")
request = message_factory.GetMessageClass(watch.input_type)
response = message_factory.GetMessageClass(watch.output_type)
call = channel.unary_stream(
    "/flowtoll.v1.FlowService/Watch", request_serializer=request.SerializeToString, response_deserializer=response.FromString
)
stream = call(json_format.ParseDict({"oldest": True, "columns": ["node", "tx_bytes"]}, request()), timeout=20)
first = json_format.MessageToDict(next(stream))
stream.cancel()

watched = health.Watch(health_pb2.HealthCheckRequest(service="nobody"), timeout=20)
unknown = health_pb2.HealthCheckResponse.ServingStatus.Name(next(watched).status)
watched.cancel()

print(
    json.dumps(
        {
            "services": sorted(database.get_services()),
            "health": {name: status(name) for name in ["", "flowtoll.v1.FlowService", "flowtoll.v1.IngestService", "nobody"]},
            "watchedUnknown": unknown,
            "methods": sorted(method.name for method in pool.FindServiceByName("flowtoll.v1.IngestService").methods),
            "first": sorted(first),
        }
    )
)
