// Caches on a stand-in, behind a proxy with faults, in time that the test owns.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type FaultProxy, startFaultProxy } from '../../../test/support/kubernetes/fault-proxy.ts';
import { createManualTiming, type ManualTiming } from '../../../test/support/kubernetes/manual-timing.ts';
import { RecordingSink } from '../../../test/support/kubernetes/recording-sink.ts';
import type { StandInObject } from '../../../test/support/kubernetes/stand-in/object-store.ts';
import { type StandIn, startStandIn } from '../../../test/support/kubernetes/stand-in/stand-in.ts';
import { kubeconfigText } from '../../../test/support/kubernetes/test-cluster.ts';
import { until } from '../../../test/support/until.ts';
import { loadApiConfig } from './api-config.ts';
import { createKubernetesCaches, type KubernetesCaches, type KubernetesCachesConfig } from './kubernetes-caches.ts';
import type { ResourceStatus } from './resource-status.ts';

/** Everything that a test of the caches needs. */
export interface CachesRig {
  readonly standIn: StandIn;
  readonly proxy: FaultProxy;
  readonly timing: ManualTiming;
  readonly sink: RecordingSink;
  readonly caches: KubernetesCaches;
  /** Warnings of the log, in order. */
  readonly warnings: string[];
  /** The other messages. */
  readonly infos: string[];
  /** Gives the kubeconfig another token. */
  useToken(token: string): void;
  status(resource: string): ResourceStatus;
  /** Waits for something that follows from what was done, while time stands still. */
  until(what: string, holds: () => unknown): Promise<void>;
  /** The same, while time goes on. */
  untilLater(what: string, holds: () => unknown, stepMs?: number): Promise<void>;
  stop(): Promise<void>;
}

export async function startCachesRig(config: Partial<KubernetesCachesConfig> = {}): Promise<CachesRig> {
  const standIn = await startStandIn({ controllers: false, bookmarkMs: 3_600_000, gzipBytes: 1000 });
  const proxy = await startFaultProxy(standIn);
  const folder = mkdtempSync(join(tmpdir(), 'flowtoll-kubeconfig-'));
  const kubeconfig = join(folder, 'config');
  const useToken = (token: string): void =>
    writeFileSync(kubeconfig, kubeconfigText({ server: proxy.server, ca: undefined, user: { token } }));
  useToken(standIn.adminToken);
  const timing = createManualTiming();
  const sink = new RecordingSink();
  const warnings: string[] = [];
  const infos: string[] = [];
  const caches = createKubernetesCaches(
    { ownerKinds: [], podLabels: ['app'], namespaceLabels: ['team'], nodeLabels: [], ...config },
    {
      loadApiConfig: () => loadApiConfig({ source: kubeconfig }),
      sink,
      timing,
      log: { info: (_, message) => infos.push(message), warn: (_, message) => warnings.push(message) },
    },
  );
  const describe = (): string =>
    JSON.stringify({ told: sink.told.slice(-5), resources: caches.resources, warnings }, (_, value) =>
      value instanceof Map ? Object.fromEntries(value) : value instanceof Error ? value.message : value,
    );
  return {
    ...{ standIn, proxy, timing, sink, caches, warnings, infos, useToken },
    status: (resource) => caches.resources.find((status) => status.resource === resource)!,
    until: async (what, holds) => {
      await until(what, holds, { describe });
    },
    untilLater: async (what, holds, stepMs = 100) => {
      await until(
        what,
        () => {
          const value = holds();
          if (!value) timing.advance(stepMs);
          return value;
        },
        { describe },
      );
    },
    stop: async () => {
      await caches.stop();
      await proxy.stop();
      await standIn.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

let uids = 0;

/** A pod as a kubelet would have it running. */
export function podWith(
  name: string,
  { ip = '10.244.0.1', labels = {}, ...rest }: { ip?: string; labels?: Record<string, string>; uid?: string } = {},
): StandInObject {
  return {
    kind: 'Pod',
    apiVersion: 'v1',
    metadata: {
      ...{ name, namespace: 'default', uid: rest.uid ?? `uid-${++uids}`, resourceVersion: '' },
      ...{ creationTimestamp: '2026-01-01T00:00:00Z', labels },
    },
    spec: { nodeName: 'n1' },
    status: { phase: 'Running', podIP: ip, podIPs: [{ ip }] },
  };
}
