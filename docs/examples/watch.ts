// Follows the flows of a cluster: prints what each pair of workloads costs, row by row, and goes on where it was after a restart.
// Usage: node watch.ts host:port file-for-the-token
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { create } from '@bufbuild/protobuf';
// Elsewhere: the code that `buf generate` makes of proto/flowtoll/v1/flow_service.proto.
import { type Column, FlowService, grpcMethod, WatchRequestSchema, type WatchResponse } from '@flowtoll/proto';
import { Client, credentials, type ServiceError, status } from '@grpc/grpc-js';

const [server = '127.0.0.1:4460', tokenFile = 'flowtoll.token'] = process.argv.slice(2);
const { path, requestSerialize, responseDeserialize } = grpcMethod(FlowService.method.watch);
const decode = (bytes: Buffer) => responseDeserialize(bytes) as WatchResponse;
const client = new Client(server, credentials.createInsecure());

/** The text of a column in a row; empty for null. */
function text({ values }: Column, row: number): string {
  if (values.case !== 'text') return '';
  const { dictionary, codes } = values.value;
  return (codes.length === 0 ? dictionary[0] : dictionary[codes[row]! - 1]) ?? '';
}

/** The number of a column in a row; 0 for null. */
function integer({ values }: Column, row: number): bigint {
  return values.case === 'text' || values.case === undefined ? 0n : (values.value.values[row] ?? 0n);
}

async function follow(): Promise<void> {
  const token = readToken();
  const request = create(WatchRequestSchema, {
    from: token === '' ? { case: 'oldest', value: true } : { case: 'resumeToken', value: token },
    columns: ['namespace', 'workload', 'peer_workload', 'traffic_class', 'tx_bytes', 'tx_cost'],
  });
  const stream: AsyncIterable<WatchResponse> = client.makeServerStreamRequest(path, requestSerialize, decode, request);
  for await (const { resumeToken, event } of stream) {
    if (event.case === 'rows') {
      const [namespace, workload, peer, trafficClass, bytes, cost] = event.value.columns as [
        Column,
        Column,
        Column,
        Column,
        Column,
        Column,
      ];
      for (let row = 0; row < event.value.rowCount; row++) {
        const usd = Number(integer(cost, row)) / 1e12;
        console.log(
          `${text(namespace, row)}/${text(workload, row)} → ${text(peer, row)} ` +
            `${text(trafficClass, row)} ${integer(bytes, row)} bytes $${usd}`,
        );
      }
    } else if (event.case !== 'progress') {
      console.error(`not a row: ${event.case}`);
    }
    // After the rows are processed: whoever dies before sees them again. Whole or not at all, by another name.
    writeFileSync(`${tokenFile}.new`, resumeToken);
    renameSync(`${tokenFile}.new`, tokenFile);
  }
}

function readToken(): string {
  try {
    return readFileSync(tokenFile, 'utf8');
  } catch {
    return '';
  }
}

for (;;) {
  try {
    await follow();
  } catch (error) {
    const { code, details } = error as ServiceError;
    console.error(details);
    // Unavailable: another replica, or this one again, goes on. All else (rows that are missed, too) is for a person.
    if (code !== status.UNAVAILABLE) process.exit(1);
  }
  await new Promise((resolve) => setTimeout(resolve, 1000));
}
