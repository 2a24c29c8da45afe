// A process of the test's own between aggregators and S3: the proxy with faults, in the management namespace, in front of the
// server's Unix socket.
//
// Arguments: port to listen on, path of the socket, seed. Commands on standard input, one JSON a line (StoreCommand); one answer
// each on standard output (StoreAnswer).
import { createInterface } from 'node:readline';
import { createRandom } from '../lab/random.ts';
import { startTroubleProxy } from '../support/trouble-proxy.ts';
import type { StoreAnswer, StoreCommand } from './round-store.ts';
import { type StoreFault, storeFault } from './store-faults.ts';

const [port, socketPath, seed] = process.argv.slice(2) as [string, string, string];
const random = createRandom(Number(seed));
const proxy = await startTroubleProxy({ socketPath }, Number(port));
const faults: Partial<Record<StoreFault, number>> = {};
let requests = 0;
let isTroubled = false;

// Told anew now and then, because it keeps all requests since it was.
const decide = (): void =>
  proxy.trouble((request) => {
    if (proxy.requests.length > 100) decide();
    requests++;
    const befallen = isTroubled ? storeFault(random, request) : undefined;
    if (befallen === undefined) return undefined;
    faults[befallen.fault] = (faults[befallen.fault] ?? 0) + 1;
    return befallen.trouble;
  });
decide();
const say = (answer: StoreAnswer): boolean => process.stdout.write(`${JSON.stringify(answer)}\n`);
createInterface({ input: process.stdin }).on('line', (line) => {
  const { troubled } = JSON.parse(line) as StoreCommand;
  isTroubled = troubled;
  say({ requests, faults });
});
say({ requests, faults });
