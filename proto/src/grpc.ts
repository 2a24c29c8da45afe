// From a service as protobuf-es describes it to what grpc-js wants: method paths, and (de)serialisers of the messages.
// Knows no service in particular.
import {
  type create,
  type DescMessage,
  type DescMethod,
  type DescService,
  fromBinary,
  toBinary,
} from '@bufbuild/protobuf';
import {
  logVerbosity,
  type MethodDefinition,
  type ServiceDefinition,
  setLogVerbosity,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';

/** A message of any type; which one, the method's descriptor says. */
type AnyMessage = ReturnType<typeof create>;

/** A service that a server can offer: what there is, and what answers. */
export interface RpcService {
  readonly definition: ServiceDefinition;
  readonly implementation: UntypedServiceImplementation;
}

/** The grpc-js definition of one method. */
export function grpcMethod(method: DescMethod): MethodDefinition<AnyMessage, AnyMessage> {
  return {
    path: `/${method.parent.typeName}/${method.name}`,
    requestStream: method.methodKind === 'client_streaming' || method.methodKind === 'bidi_streaming',
    responseStream: method.methodKind === 'server_streaming' || method.methodKind === 'bidi_streaming',
    requestSerialize: serialiser(method.input),
    requestDeserialize: (bytes) => fromBinary(method.input, bytes),
    responseSerialize: serialiser(method.output),
    responseDeserialize: (bytes) => fromBinary(method.output, bytes),
    originalName: method.localName,
  };
}

/** The grpc-js definition of a service, methods by their name in lower camel case. */
export function grpcService(service: DescService): ServiceDefinition {
  return Object.fromEntries(service.methods.map((method) => [method.localName, grpcMethod(method)]));
}

function serialiser(schema: DescMessage): (message: AnyMessage) => Buffer {
  return (message) => asBuffer(toBinary(schema, message));
}

/** The same bytes as a Buffer, not copied. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/**
 * Keeps grpc-js from writing lines of its own to stderr, where our JSON lines are: what it would say comes back as an
 * error anyway. Its environment variable GRPC_VERBOSITY still works.
 */
export function silenceGrpcLog(): void {
  if (process.env['GRPC_VERBOSITY'] === undefined) setLogVerbosity(logVerbosity.NONE);
}
