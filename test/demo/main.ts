// `npm run demo`: from real traffic, counted by a real kernel, to a cost report. Where the machine does not allow network
// namespaces, recorded conntrack datagrams of the same cluster take the place of the kernel.
import { rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { report, sqlText, storeOf } from '../lab/product.ts';
import { obstacle } from './abilities.ts';
import { printComparison } from './comparison.ts';
import { runLive } from './live.ts';
import { headline, say } from './progress.ts';
import { runReplay } from './replay.ts';

const CLUSTER_NAME = 'demo';

const directory = await mkdtemp(join(tmpdir(), 'flowtoll-demo-'));
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    // Last of the exit handlers: the laboratory's own one ends first what still writes there.
    process.once('exit', () => rmSync(directory, { recursive: true, force: true }));
    say('interrupted: removing everything');
    process.exit(signal === 'SIGINT' ? 130 : 143);
  });
}
const reason = process.env['FLOWTOLL_DEMO'] === 'replay' ? 'FLOWTOLL_DEMO=replay asks for it' : obstacle();
if (reason === undefined) {
  const payloads = await runLive(directory, CLUSTER_NAME);
  await printReport();
  headline('What the traffic generator says, and what the table says');
  const rest = await printComparison(directory, payloads);
  process.stdout.write(
    '\n  Payload is what the generator wrote and read. The table holds IP bytes, as the kernel counts them: payload, plus\n' +
      '  a header for each packet (TCP 52 B on IPv4, 72 B on IPv6; UDP 28 B and 48 B), plus 16 B for each TCP handshake.\n' +
      `  ${rest === 0 ? 'That explains every byte.' : 'Rest: what TCP sent again, and its selective acknowledgements.'}\n`,
  );
} else {
  say(`no live demo: ${reason}`);
  say('replaying recorded conntrack datagrams through the same agent code instead');
  await runReplay(directory, CLUSTER_NAME);
  await printReport();
}
await printNextSteps();

async function printReport(): Promise<void> {
  headline('flowtoll report');
  process.stdout.write(await report(directory, []));
}

async function printNextSteps(): Promise<void> {
  const store = storeOf(directory);
  const flowtoll = 'npx flowtoll';
  const statement =
    "SELECT namespace, workload, traffic_class, sum(tx_cost + rx_cost) AS usd FROM flows WHERE local_kind = 'pod' " +
    'GROUP BY ALL HAVING usd > 0 ORDER BY usd DESC LIMIT 5';
  headline('One question in SQL');
  process.stdout.write(`${statement}\n\n${await sqlText(directory, statement)}`);
  headline('Try next (the store is kept)');
  process.stdout.write(
    `  ${flowtoll} report --store ${store} --by zone,peer-zone,class\n` +
      `  ${flowtoll} report --store ${store} --by workload,service --format csv\n` +
      `  ${flowtoll} sql --store ${store} "DESCRIBE flows"\n` +
      `  rm -r ${directory}\n`,
  );
}
