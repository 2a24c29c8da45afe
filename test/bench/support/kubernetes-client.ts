// A process that holds the caches of a cluster, for `npm run bench -- kubernetes`; or one that only parses the same pages, which is the floor.
// Says over IPC what it cost. The sink keeps every object in a Map, as the least that a time index could do.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ClusterSink } from '@flowtoll/aggregator/model/cluster-objects.ts';
import { KubeClient } from '../../support/kubernetes/kube-client.ts';
import { kubeconfigText } from '../../support/kubernetes/test-cluster.ts';

const { server, token, mode } = JSON.parse(process.argv[2]!) as {
  readonly server: string;
  readonly token: string;
  readonly mode: 'caches' | 'floor';
};
const PAGE = 500;

const cpuMs = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};

/** The same lists, page by page: only JSON.parse is timed. */
async function floor(): Promise<void> {
  const client = new KubeClient({ server, token, ca: undefined });
  let parseMs = 0;
  let parseCpuMs = 0;
  let bytes = 0;
  for (const [path, accept] of [
    ['/api/v1/pods', 'application/json'],
    ['/api/v1/nodes', 'application/json'],
    ['/api/v1/services', 'application/json'],
    ['/apis/discovery.k8s.io/v1/endpointslices', 'application/json'],
    ['/apis/apps/v1/replicasets', 'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1'],
  ] as const) {
    let next: string | undefined = '';
    while (next !== undefined) {
      const { text } = await client.ask(`${path}?limit=${PAGE}${next}`, { headers: { accept } });
      const [begun, cpuBegun] = [performance.now(), cpuMs()];
      const page = JSON.parse(text) as { metadata: { continue?: string } };
      parseMs += performance.now() - begun;
      parseCpuMs += cpuMs() - cpuBegun;
      bytes += text.length;
      next = page.metadata.continue === undefined ? undefined : `&continue=${page.metadata.continue}`;
    }
  }
  process.send!({ parseMs, parseCpuMs, bytes });
}

async function caches(): Promise<void> {
  const { loadApiConfig } = await import('@flowtoll/aggregator/kubernetes/api-config.ts');
  const { createKubernetesCaches } = await import('@flowtoll/aggregator/kubernetes/kubernetes-caches.ts');
  const { keepHeapSmall } = await import('@flowtoll/aggregator/release-memory.ts');
  const { SYSTEM_TIMING } = await import('@flowtoll/aggregator/kubernetes/timing.ts');
  // As serve does.
  keepHeapSmall();
  const folder = mkdtempSync(join(tmpdir(), 'flowtoll-bench-'));
  const kubeconfig = join(folder, 'config');
  writeFileSync(kubeconfig, kubeconfigText({ server, ca: undefined, user: { token } }));
  const kept = new Map<string, unknown>();
  let told = 0;
  const sink: ClusterSink = {
    put: (_, object) => {
      told++;
      kept.set(object.uid, object);
    },
    remove: (_, uid) => kept.delete(uid),
    heard: () => undefined,
  };
  const loadedBytes = process.memoryUsage.rss();
  const begun = performance.now();
  const cpuBegun = cpuMs();
  const all = createKubernetesCaches(
    { ownerKinds: [], podLabels: ['app'], namespaceLabels: [], nodeLabels: [] },
    {
      loadApiConfig: () => loadApiConfig({ source: kubeconfig }),
      ...{ sink, timing: SYSTEM_TIMING, log: console },
    },
  );
  all.start();
  await all.whenSynced;
  const syncMs = performance.now() - begun;
  const syncCpuMs = cpuMs() - cpuBegun;
  const peakBytes = process.resourceUsage().maxRSS * 1024;
  process.send!({
    syncMs,
    syncCpuMs,
    loadedBytes,
    peakBytes,
    objects: kept.size,
    residentBytes: process.memoryUsage.rss(),
  });
  process.on('message', async (message: { readonly measureMs: number } | 'stop') => {
    if (message === 'stop') {
      await all.stop();
      rmSync(folder, { recursive: true });
      process.disconnect();
      return;
    }
    const toldBegun = told;
    const cpu = cpuMs();
    setTimeout(() => {
      const used = cpuMs() - cpu;
      process.send!({ told: told - toldBegun, cpuMs: used, residentBytes: process.memoryUsage.rss() });
    }, message.measureMs);
  });
}

await (mode === 'floor' ? floor() : caches());
