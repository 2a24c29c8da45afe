// The standard reflection service (grpc.reflection, v1 and v1alpha), so that grpcurl and its like need no .proto. Our own few
// lines over the generated descriptors, for the reason of health-service.ts. Knows descriptors; knows no service.
import { create, type DescFile, type DescService, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import { grpcService, type RpcService } from '@flowtoll/proto';
import {
  ServerReflection,
  ServerReflectionAlpha,
  type ServerReflectionRequest,
  type ServerReflectionResponse,
  ServerReflectionResponseSchema,
} from '@flowtoll/proto/standard-services';
import { type ServerDuplexStream, status } from '@grpc/grpc-js';

type ReflectionCall = ServerDuplexStream<ServerReflectionRequest, ServerReflectionResponse>;
type Answer = ServerReflectionResponse['messageResponse'];

/** Both versions, over these services and themselves. */
export function createReflectionServices(described: readonly DescService[]): RpcService[] {
  const services = [...described, ServerReflection, ServerReflectionAlpha];
  const index = indexOf(services);
  const implementation = {
    serverReflectionInfo(call: ReflectionCall) {
      call.on('data', (request: ServerReflectionRequest) => {
        const messageResponse = answer(request.messageRequest, services, index);
        const { host } = request;
        call.write(
          create(ServerReflectionResponseSchema, { validHost: host, originalRequest: request, messageResponse }),
        );
      });
      call.on('end', () => call.end());
    },
  };
  const v1 = grpcService(ServerReflection);
  const info = v1['serverReflectionInfo']!;
  // The messages of both are the same bytes.
  const path = `/${ServerReflectionAlpha.typeName}/${ServerReflectionAlpha.method.serverReflectionInfo.name}`;
  return [
    { definition: v1, implementation },
    { definition: { serverReflectionInfo: { ...info, path } }, implementation },
  ];
}

interface Index {
  readonly byName: ReadonlyMap<string, DescFile>;
  readonly bySymbol: ReadonlyMap<string, DescFile>;
}

/** The files of the services and what they import. */
function indexOf(services: readonly DescService[]): Index {
  const byName = new Map<string, DescFile>();
  const bySymbol = new Map<string, DescFile>();
  const add = (file: DescFile): void => {
    if (byName.has(file.proto.name)) return;
    byName.set(file.proto.name, file);
    for (const { typeName } of [...file.enums, ...file.extensions]) bySymbol.set(typeName, file);
    const messages = [...file.messages];
    for (const message of messages) {
      bySymbol.set(message.typeName, file);
      messages.push(...message.nestedMessages);
      for (const { typeName } of message.nestedEnums) bySymbol.set(typeName, file);
      for (const field of message.fields) bySymbol.set(`${message.typeName}.${field.name}`, file);
    }
    for (const service of file.services) {
      bySymbol.set(service.typeName, file);
      for (const method of service.methods) bySymbol.set(`${service.typeName}.${method.name}`, file);
    }
    file.dependencies.forEach(add);
  };
  for (const { file } of services) add(file);
  return { byName, bySymbol };
}

function answer(
  request: ServerReflectionRequest['messageRequest'],
  services: readonly DescService[],
  index: Index,
): Answer {
  switch (request.case) {
    case 'listServices': {
      const service = services.map(({ typeName }) => ({ name: typeName }));
      return answerOf({ case: 'listServicesResponse', value: { service } });
    }
    case 'fileByFilename':
      return fileAnswer(index.byName.get(request.value), `file ${JSON.stringify(request.value)}`);
    case 'fileContainingSymbol':
      return fileAnswer(index.bySymbol.get(request.value), `symbol ${JSON.stringify(request.value)}`);
    case 'fileContainingExtension':
    case 'allExtensionNumbersOfType':
      return failure(status.NOT_FOUND, 'there are no extensions here');
    case undefined:
      return failure(status.INVALID_ARGUMENT, 'the request asks for nothing that this server knows');
  }
}

/** The file and all that it imports: most clients then ask no more. */
function fileAnswer(file: DescFile | undefined, what: string): Answer {
  if (file === undefined) return failure(status.NOT_FOUND, `there is no ${what}`);
  const files = new Set<DescFile>();
  const add = (one: DescFile): void => {
    if (files.has(one)) return;
    files.add(one);
    one.dependencies.forEach(add);
  };
  add(file);
  const fileDescriptorProto = [...files].map(({ proto }) => toBinary(FileDescriptorProtoSchema, proto));
  return answerOf({ case: 'fileDescriptorResponse', value: { fileDescriptorProto } });
}

function failure(errorCode: status, errorMessage: string): Answer {
  return answerOf({ case: 'errorResponse', value: { errorCode, errorMessage } });
}

function answerOf(
  messageResponse: NonNullable<MessageInitShape<typeof ServerReflectionResponseSchema>['messageResponse']>,
): Answer {
  return create(ServerReflectionResponseSchema, { messageResponse }).messageResponse;
}
