// A stand-in for a Kubernetes control plane, for machines that have none, and for benchmarks of clusters that nobody has. It speaks
// what the caches need, and `test/kubernetes/exchanges.test.ts` compares it with the real one.
//
// What it leaves out: TLS; validation and defaulting of objects beyond what is read here; managedFields; protobuf but for
// lists of what the caches read, tables and sendInitialEvents; lists at a given version, the rest of an expired list, and field or label selectors; updates by PUT, strategic merge, server-side apply and
// optimistic locking; finalizers and the deletion of namespaces; priority and fairness; StatefulSets and CronJobs, which are kept and do nothing; rollouts
// in steps, back-off and node selectors; the second IP family. Deleted objects get no deletionTimestamp unless they are pods that
// somebody has to end. A token never expires.
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import type { TestCluster } from '../test-cluster.ts';
import { Access } from './access.ts';
import { type ApiServerOptions, createApiServer } from './api-server.ts';
import { reconcile } from './controllers.ts';
import { ObjectStore } from './object-store.ts';

export interface StandInOptions extends Partial<ApiServerOptions> {
  /** Plays controllers and scheduler. Default: true. */
  readonly controllers?: boolean;
}

export interface StandIn extends TestCluster {
  readonly store: ObjectStore;
  readonly access: Access;
}

/** A controller that never rests is a fault of the stand-in. */
const ROUNDS_MAX = 1000;

export async function startStandIn({
  controllers = true,
  bookmarkMs = 60_000,
  gzipBytes = 131_072,
  keepLists = false,
}: StandInOptions = {}): Promise<StandIn> {
  let planned = false;
  const run = (): void => {
    planned = false;
    for (let round = 0; reconcile(store); round++) {
      if (round === ROUNDS_MAX) throw new Error('the controllers of the stand-in never come to rest');
    }
    // What the rounds themselves wrote planned one more.
    clearImmediate(timer);
    planned = false;
  };
  let timer: NodeJS.Immediate | undefined;
  const store = new ObjectStore(() => {
    if (!controllers || planned) return;
    planned = true;
    timer = setImmediate(run);
  });
  for (const name of ['default', 'kube-system']) {
    store.put('namespaces', {
      ...{ kind: 'Namespace', apiVersion: 'v1' },
      metadata: { name, uid: `uid-of-${name}`, resourceVersion: '', creationTimestamp: '2026-01-01T00:00:00Z' },
    });
  }
  const access = new Access(store);
  const server = createApiServer(store, access, { bookmarkMs, gzipBytes, keepLists });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    name: 'a stand-in for a Kubernetes control plane',
    server: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    tls: undefined,
    adminToken: access.adminToken,
    store,
    access,
    stop: async () => {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
      clearImmediate(timer);
    },
  };
}
