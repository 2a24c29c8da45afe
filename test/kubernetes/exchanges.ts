// The same requests to any API server, and what it says, without what differs from run to run (uids, times, versions, tokens) and without
// what the caches never look at. So the stand-in can be compared with the real one, here or as it was recorded.
import { KubeClient, type KubeObject, pathOf } from '../support/kubernetes/kube-client.ts';
import type { TestCluster } from '../support/kubernetes/test-cluster.ts';

/** One request and its answer. */
export interface Exchange {
  readonly request: string;
  readonly status: number;
  readonly type: string | undefined;
  readonly answer: unknown;
}

const METADATA_LIST = { accept: 'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json' };
const METADATA_WATCH = { accept: 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json' };

/** `forget`: the server forgets lists that are being read. */
export async function playExchanges(cluster: TestCluster, forget: () => Promise<void>): Promise<Exchange[]> {
  const client = new KubeClient({ server: cluster.server, token: cluster.adminToken, ca: cluster.tls?.ca });
  const exchanges: Exchange[] = [];
  const ask = async (
    who: KubeClient,
    path: string,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<string> => {
    const answer = await who.ask(path, { headers });
    exchanges.push({
      request: scrubbed(path),
      status: answer.status,
      type: answer.headers['content-type'] as string | undefined,
      answer: answer.text
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => (line.startsWith('{') ? normal(JSON.parse(line)) : line)),
    });
    return answer.text;
  };

  const pods = pathOf('pods', 'default');
  for (let number = 0; number < 5; number++) await client.create('pods', 'default', pod(`p${number}`));
  await client.patch('pods', 'default', 'p0', { status: running('10.244.0.1') }, 'status');

  const first = JSON.parse(await ask(client, `${pods}?limit=2`)) as Page;
  const second = JSON.parse(await ask(client, `${pods}?limit=2&continue=${first.metadata.continue}`)) as Page;
  await ask(client, `${pods}?limit=2&continue=${second.metadata.continue}`);
  await ask(client, `${pods}?limit=2`, METADATA_LIST);
  await ask(client, pathOf('jobs'), METADATA_LIST);
  await ask(client, pathOf('jobs'));

  const from = first.metadata.resourceVersion;
  await client.create('pods', 'default', pod('p5'));
  await client.patch('pods', 'default', 'p1', { status: running('10.244.0.2') }, 'status');
  await client.delete('pods', 'default', 'p2');
  const watch = `${pods}?watch=true&resourceVersion=${from}&timeoutSeconds=1`;
  await ask(client, watch);
  await ask(client, watch, METADATA_WATCH);
  await ask(client, `${pods}?watch=true&resourceVersion=${Number(from) + 1_000_000}&timeoutSeconds=1`);
  await ask(client, `${pods}?watch=true&resourceVersion=abc&timeoutSeconds=1`);

  // Not pods: the real one remembers lists at versions of theirs by itself for a while.
  const touchNamespace = (seen: string) =>
    client.patch('namespaces', undefined, 'default', { metadata: { labels: { seen } } });
  await touchNamespace('once');
  const old = JSON.parse(await ask(client, `${pods}?limit=2`)) as Page;
  await touchNamespace('twice');
  await forget();
  await ask(client, `${pods}?limit=2&continue=${old.metadata.continue}`);
  await ask(client, `${pods}?limit=2&continue=abc`);

  // Somebody must end it, and so it stays for its grace.
  await client.create('pods', 'default', pod('bound', { nodeName: 'n1' }));
  const bound = (await client.list('pods', 'default')).find(({ metadata }) => metadata.name === 'bound')!;
  await client.delete('pods', 'default', 'bound');
  await client.delete('pods', 'default', 'bound', { gracePeriodSeconds: 0 });
  await ask(client, `${pods}?watch=true&resourceVersion=${bound.metadata.resourceVersion}&timeoutSeconds=1`);

  for (const path of ['/apis/none.example/v1', '/apis/none.example/v1/things', '/api/v1/things', `${pods}/none`]) {
    await ask(client, path);
  }
  const stranger = new KubeClient({ server: cluster.server, token: 'nobody', ca: cluster.tls?.ca });
  await ask(stranger, pods);
  const poor = new KubeClient({
    ...{ server: cluster.server, ca: cluster.tls?.ca },
    token: await client.accountWith('poor', [{ apiGroups: ['apps'], resources: ['replicasets'], verbs: ['list'] }]),
  });
  for (const path of ['/api/v1/pods', '/apis/apps/v1/replicasets', '/apis/apps/v1/replicasets?watch=true']) {
    await ask(poor, path);
  }
  return exchanges;
}

interface Page {
  readonly metadata: { readonly resourceVersion: string; readonly continue?: string };
  readonly items: readonly KubeObject[];
}

function pod(name: string, spec: object = {}): object {
  return {
    ...{ apiVersion: 'v1', kind: 'Pod', metadata: { name, labels: { app: name } } },
    spec: { containers: [{ name: 'main', image: 'registry.example/app:1' }], ...spec },
  };
}

function running(ip: string): object {
  return { phase: 'Running', podIP: ip, podIPs: [{ ip }] };
}

/** What the caches read, and what the protocol says. */
const KEPT: Readonly<Record<string, readonly string[]>> = {
  metadata: [
    'name',
    'namespace',
    'labels',
    'uid',
    'resourceVersion',
    'continue',
    'remainingItemCount',
    'creationTimestamp',
    'deletionTimestamp',
    'deletionGracePeriodSeconds',
  ],
  spec: ['nodeName', 'hostNetwork'],
  status: ['phase', 'podIP', 'podIPs'],
};

/** Present, and another each time. */
const VARYING = /^(uid|resourceVersion|continue|creationTimestamp|deletionTimestamp)$/;

function normal(value: unknown, name = ''): unknown {
  if (Array.isArray(value)) return value.map((part) => normal(part));
  if (typeof value === 'string') return VARYING.test(name) ? `<${name}>` : scrubbed(value);
  if (typeof value !== 'object' || value === null) return value;
  const kept = KEPT[name];
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key]) => kept === undefined || kept.includes(key))
      .map(([key, part]) => [key, normal(part, key)])
      .sort(([a], [b]) => (String(a) < String(b) ? -1 : 1)),
  );
}

/** Paths and messages without versions, and messages only as far as they say the same everywhere. */
function scrubbed(text: string): string {
  return text
    .replace(/continue=(?!abc)[^&]+/, 'continue=<token>')
    .replace(/resourceVersion=\d+/, 'resourceVersion=<version>')
    .replace(
      /(invalid continue token|The provided continue parameter is too old|resourceVersion: Invalid value).*/,
      '$1',
    );
}
