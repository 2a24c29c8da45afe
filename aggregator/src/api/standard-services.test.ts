// Health and reflection over gRPC, by clients made of the published .proto files. test/integration/watch.test.ts asks with
// Python's own libraries.
import { create, fromBinary, type MessageInitShape } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import { FlowService, grpcMethod, IngestService } from '@flowtoll/proto';
import {
  Health,
  type HealthCheckResponse,
  ServerReflection,
  ServerReflectionAlpha,
  type ServerReflectionResponse,
  HealthCheckResponse_ServingStatus as Serving,
} from '@flowtoll/proto/standard-services';
import { Client, type ClientReadableStream, credentials, Server, ServerCredentials, status } from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createHealthService, type HealthServer } from './health-service.ts';
import { createReflectionServices } from './reflection-service.ts';
import { TestClock } from './watched-table.testing.ts';

let server: Server;
let client: Client;
let health: HealthServer;
let isServing: boolean;
const clock = new TestClock();

beforeEach(async () => {
  isServing = true;
  health = createHealthService({
    services: [FlowService.typeName],
    isServing: () => isServing,
    schedule: clock.schedule,
  });
  server = new Server();
  for (const { definition, implementation } of [health, ...createReflectionServices([FlowService, IngestService])]) {
    server.addService(definition, implementation);
  }
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
});

afterEach(() => {
  client.close();
  server.forceShutdown();
});

function call<T>(method: typeof Health.method.check | typeof Health.method.list, request: object): Promise<T> {
  const { path, requestSerialize, responseDeserialize } = grpcMethod(method);
  return new Promise((resolve, reject) => {
    const message = create(method.input, request);
    client.makeUnaryRequest(path, requestSerialize, responseDeserialize, message, (error, response) =>
      error ? reject(error) : resolve(response as T),
    );
  });
}

describe('health', () => {
  test('says what is served, and that it is not while the replica is not ready', async () => {
    for (const service of ['', FlowService.typeName]) {
      expect(await call(Health.method.check, { service })).toMatchObject({ status: Serving.SERVING });
    }
    isServing = false;
    expect(await call(Health.method.check, { service: '' })).toMatchObject({ status: Serving.NOT_SERVING });
    await expect(call(Health.method.check, { service: 'nobody' })).rejects.toMatchObject({ code: status.NOT_FOUND });
    const { statuses } = await call<{ statuses: object }>(Health.method.list, {});
    expect(Object.keys(statuses).sort()).toEqual(['', FlowService.typeName]);
  });

  test('a watch hears of changes, and of the end', async () => {
    const { path, requestSerialize, responseDeserialize } = grpcMethod(Health.method.watch);
    const stream: ClientReadableStream<HealthCheckResponse> = client.makeServerStreamRequest(
      path,
      requestSerialize,
      (bytes) => responseDeserialize(bytes) as HealthCheckResponse,
      create(Health.method.watch.input, { service: FlowService.typeName }),
    );
    const messages = stream[Symbol.asyncIterator]();
    expect((await messages.next()).value?.status).toBe(Serving.SERVING);
    isServing = false;
    clock.advance(1000);
    expect((await messages.next()).value?.status).toBe(Serving.NOT_SERVING);
    isServing = true;
    clock.advance(1000);
    expect((await messages.next()).value?.status).toBe(Serving.SERVING);
    health.stop();
    expect((await messages.next()).value?.status).toBe(Serving.NOT_SERVING);
    expect((await messages.next()).done).toBe(true);
  });
});

describe.each([
  { version: 'v1', service: ServerReflection },
  { version: 'v1alpha', service: ServerReflectionAlpha },
])('reflection $version', ({ service }) => {
  type Request = NonNullable<
    MessageInitShape<typeof ServerReflection.method.serverReflectionInfo.input>['messageRequest']
  >;

  async function ask(messageRequest: Request): Promise<ServerReflectionResponse['messageResponse']> {
    const { path } = grpcMethod(service.method.serverReflectionInfo);
    const { requestSerialize, responseDeserialize } = grpcMethod(ServerReflection.method.serverReflectionInfo);
    const stream = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize);
    stream.write(create(ServerReflection.method.serverReflectionInfo.input, { messageRequest }));
    stream.end();
    const answers: ServerReflectionResponse[] = [];
    for await (const answer of stream) answers.push(answer);
    expect(answers).toHaveLength(1);
    return answers[0]!.messageResponse;
  }

  test('lists the services', async () => {
    const { value } = await ask({ case: 'listServices', value: '' });
    const { service: services } = value as { service: { name: string }[] };
    expect(services.map(({ name }) => name)).toContain('flowtoll.v1.FlowService');
  });

  test.each([
    { case: 'fileContainingSymbol', value: 'flowtoll.v1.FlowService' },
    { case: 'fileContainingSymbol', value: 'flowtoll.v1.FlowService.Watch' },
    { case: 'fileContainingSymbol', value: 'flowtoll.v1.ResumeExpired.Reason' },
    { case: 'fileByFilename', value: 'flowtoll/v1/flow_service.proto' },
  ] as const)('$case $value gives the file and what it imports', async (request) => {
    const answer = await ask(request);
    if (answer.case !== 'fileDescriptorResponse') throw new Error(`no file but ${answer.case}`);
    const files = answer.value.fileDescriptorProto.map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes));
    expect(files.map(({ name }) => name)).toEqual([
      'flowtoll/v1/flow_service.proto',
      'google/protobuf/timestamp.proto',
    ]);
    expect(files[0]?.service[0]?.method[0]?.name).toBe('Watch');
  });

  test.each([
    { case: 'fileContainingSymbol', value: 'flowtoll.v1.Nothing' },
    { case: 'fileByFilename', value: 'nothing.proto' },
    { case: 'allExtensionNumbersOfType', value: 'flowtoll.v1.Rows' },
  ] as const)('$case $value is not there', async (request) => {
    expect(await ask(request)).toMatchObject({ case: 'errorResponse', value: { errorCode: status.NOT_FOUND } });
  });
});
