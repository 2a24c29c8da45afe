// Follows the flows of a cluster: prints what each pair of workloads costs, row by row, and goes on where it was after a restart.
// Usage: node watch.ts host:port file-for-the-place
// FLOWTOLL_TLS_CA names a file of the authorities to trust, FLOWTOLL_TOKEN_FILE one with a token to show.
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { create } from '@bufbuild/protobuf';
// Elsewhere: the code that `buf generate` makes of proto/flowtoll/v1/flow_service.proto.
import { type Column, FlowService, grpcMethod, WatchRequestSchema, type WatchResponse } from '@flowtoll/proto';
import { Client, credentials, Metadata, type ServiceError, status } from '@grpc/grpc-js';

const [server = '127.0.0.1:4460', placeFile = 'flowtoll.place'] = process.argv.slice(2);
const { FLOWTOLL_TLS_CA: caFile, FLOWTOLL_TOKEN_FILE: tokenFile } = process.env;
const { path, requestSerialize, responseDeserialize } = grpcMethod(FlowService.method.watch);
const decode = (bytes: Buffer) => responseDeserialize(bytes) as WatchResponse;
const client = new Client(server, caFile ? credentials.createSsl(readFileSync(caFile)) : credentials.createInsecure());

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

/** Read anew for each call: Kubernetes renews it. */
function readToken(): string {
  return tokenFile ? readFileSync(tokenFile, 'utf8').trim() : '';
}

async function follow(token: string): Promise<void> {
  const place = readPlace();
  const request = create(WatchRequestSchema, {
    from: place === '' ? { case: 'oldest', value: true } : { case: 'resumeToken', value: place },
    columns: ['namespace', 'workload', 'peer_workload', 'traffic_class', 'tx_bytes', 'tx_cost'],
  });
  const metadata = new Metadata();
  if (token !== '') metadata.set('authorization', `Bearer ${token}`);
  const stream: AsyncIterable<WatchResponse> = client.makeServerStreamRequest(
    path,
    requestSerialize,
    decode,
    request,
    metadata,
  );
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
    writeFileSync(`${placeFile}.new`, resumeToken);
    renameSync(`${placeFile}.new`, placeFile);
  }
}

function readPlace(): string {
  try {
    return readFileSync(placeFile, 'utf8');
  } catch {
    return '';
  }
}

for (;;) {
  const token = readToken();
  try {
    await follow(token);
  } catch (error) {
    const { code, details } = error as ServiceError;
    console.error(details);
    const isRenewed = code === status.UNAUTHENTICATED && readToken() !== token;
    // Unavailable: another replica, or this one again, goes on. All else (rows that are missed, too) is for a person.
    if (code !== status.UNAVAILABLE && !isRenewed) process.exit(1);
  }
  await new Promise((resolve) => setTimeout(resolve, 1000));
}
