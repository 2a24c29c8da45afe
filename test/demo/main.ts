// `npm run demo`: from real traffic, counted by a real kernel, to a cost report. Where the machine does not allow network
// namespaces, recorded conntrack datagrams of the same cluster take the place of the kernel. With --kubernetes names come from a
// real API server.
import { rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CLUSTER } from '../lab/cluster.ts';
import { report, sqlText, storeOf } from '../lab/product.ts';
import { type ControlPlaneAssets, findControlPlaneAssets, HOW_TO_GET_ASSETS } from '../support/kubernetes/assets.ts';
import { obstacle } from './abilities.ts';
import { printComparison } from './comparison.ts';
import { runLive } from './live.ts';
import { printNames } from './names.ts';
import { parseOptions, USAGE } from './options.ts';
import { headline, say } from './progress.ts';
import { runReplay } from './replay.ts';

const CLUSTER_NAME = 'demo';

const options = parseOptions(process.argv.slice(2));
if ('wrong' in options) refuse(`${options.wrong}\n\n${USAGE}`, 2);
if (options.help) {
  process.stdout.write(USAGE);
  process.exit(0);
}
const reason = process.env['FLOWTOLL_DEMO'] === 'replay' ? 'FLOWTOLL_DEMO=replay asks for it' : obstacle();
const assets = options.kubernetes ? await assetsOrRefuse(reason) : undefined;

const directory = await mkdtemp(join(tmpdir(), 'flowtoll-demo-'));
for (const [signal, code] of [
  ['SIGHUP', 129],
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const) {
  process.once(signal, () => {
    say('interrupted: removing everything');
    removeAtExit();
    process.exit(code);
  });
}
try {
  const wrong = reason === undefined ? await demoLive() : await demoReplay(reason);
  for (const fault of wrong) process.stdout.write(`\n  WRONG: ${fault}\n`);
  if (wrong.length > 0) process.exitCode = 1;
  await printNextSteps();
} catch (error) {
  removeAtExit();
  throw error;
}

/** Gives what the table has wrong, one sentence each. */
async function demoLive(): Promise<string[]> {
  const { payloads, names } = await runLive({ directory, clusterName: CLUSTER_NAME, assets });
  await printReport();
  const wrong: string[] = [];
  if (names !== undefined) {
    headline('What the API server says, and what the table says');
    const differences = await printNames(directory, CLUSTER, names);
    if (differences > 0) wrong.push('names of the table are not those of the API server; see above');
  }
  headline('What the traffic generator says, and what the table says');
  const { restBytes, unmatched } = await printComparison(directory, payloads);
  process.stdout.write(
    '\n  Payload is what the generator wrote and read. The table holds IP bytes, as the kernel counts them: payload, plus\n' +
      '  a header for each packet (TCP 52 B on IPv4, 72 B on IPv6; UDP 28 B and 48 B), plus 16 B for each TCP handshake.\n' +
      `  ${restBytes === 0 ? 'That explains every byte.' : 'Rest: what TCP sent again, and its selective acknowledgements.'}\n`,
  );
  if (unmatched.length > 0) wrong.push(`only the generator or only the table knows ${unmatched.join(', ')}`);
  return wrong;
}

async function demoReplay(why: string): Promise<string[]> {
  say(`no live demo: ${why}`);
  say('replaying recorded conntrack datagrams through the same agent code instead');
  await runReplay(directory, CLUSTER_NAME);
  await printReport();
  return [];
}

async function assetsOrRefuse(noNamespaces: string | undefined): Promise<ControlPlaneAssets> {
  if (noNamespaces !== undefined) {
    refuse(`--kubernetes needs live traffic in network namespaces, and there is none: ${noNamespaces}\n`, 1);
  }
  const found = await findControlPlaneAssets();
  if ('missing' in found) {
    refuse(`--kubernetes needs a Kubernetes control plane, and ${found.missing}.\n\n${HOW_TO_GET_ASSETS}\n`, 1);
  }
  return found;
}

function refuse(text: string, code: number): never {
  process.stderr.write(`demo: ${text}`);
  process.exit(code);
}

/** Last of the exit handlers: those of the laboratory and of servers end first what still writes there. */
function removeAtExit(): void {
  process.once('exit', () => rmSync(directory, { recursive: true, force: true, maxRetries: 10 }));
}

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
