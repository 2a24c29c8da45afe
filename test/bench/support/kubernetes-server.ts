// A process that serves a large cluster from the stand-in, for `npm run bench -- kubernetes`. Says where over IPC; on "churn" pods change, so
// many a second, until "rest".
import { startStandIn } from '../../support/kubernetes/stand-in/stand-in.ts';
import { type ClusterSize, nodeObject, podObject, workloadObjects } from './kubernetes-objects.ts';

const size = JSON.parse(process.argv[2]!) as ClusterSize;
const TICK_MS = 50;

const standIn = await startStandIn({ controllers: false, keepLists: true });
const { store } = standIn;
for (let index = 0; index < size.nodes; index++) store.put('nodes', nodeObject(index));
for (let workload = 0; workload < size.pods / size.podsPerWorkload; workload++) {
  for (const [resource, object] of Object.entries(workloadObjects(workload, size))) store.put(resource, object);
}
for (let index = 0; index < size.pods; index++) store.put('pods', podObject(index, size));
// The events of the filling are nobody's.
store.compact();
process.send!({ server: standIn.server, token: standIn.adminToken });

let timer: NodeJS.Timeout | undefined;
let change = 0;
process.on('message', (message: { readonly churn?: number } | 'rest') => {
  clearInterval(timer);
  if (message === 'rest') return;
  const perTick = ((message.churn ?? 0) * TICK_MS) / 1000;
  timer = setInterval(() => {
    for (let count = 0; count < perTick; count++) {
      change++;
      store.put('pods', podObject((change * 7919) % size.pods, size, change));
    }
  }, TICK_MS);
});
