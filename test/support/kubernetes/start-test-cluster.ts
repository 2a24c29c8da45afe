// A cluster to test on: the real control plane where its programs are, else the stand-in, and says so.
import { controlPlaneAssets } from './assets.ts';
import { startControlPlane } from './control-plane.ts';
import { startStandIn } from './stand-in/stand-in.ts';
import type { TestCluster } from './test-cluster.ts';

/** Ways to start the clusters that a suite runs on. The stand-in always is one: whoever has nothing else relies on it. */
export async function testClusters(): Promise<{ readonly name: string; readonly start: () => Promise<TestCluster> }[]> {
  const standIn = { name: 'stand-in', start: () => startStandIn({ bookmarkMs: 1000 }) };
  const assets = await controlPlaneAssets();
  if ('missing' in assets) {
    console.warn(`no real Kubernetes control plane: ${assets.missing}. The suite runs on a stand-in alone.`);
    return [standIn];
  }
  return [{ name: 'real control plane', start: () => startControlPlane(assets) }, standIn];
}
