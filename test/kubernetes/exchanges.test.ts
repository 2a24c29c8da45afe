import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { controlPlaneAssets } from '../support/kubernetes/assets.ts';
import { startControlPlane } from '../support/kubernetes/control-plane.ts';
import { startStandIn } from '../support/kubernetes/stand-in/stand-in.ts';
import { type Exchange, playExchanges } from './exchanges.ts';

/** Recorded from the real control plane; FLOWTOLL_RECORD=1 writes it anew. */
const RECORDING = join(import.meta.dirname, 'testdata', 'exchanges.json');

const stops: (() => Promise<void>)[] = [];
afterAll(async () => {
  for (const stop of stops) await stop();
});

const assets = await controlPlaneAssets();
if ('missing' in assets) console.warn(`the recording is not compared with a real control plane: ${assets.missing}`);
else {
  test('the real control plane says what was recorded', async () => {
    const cluster = await startControlPlane(assets, { apiOnly: true });
    stops.push(cluster.stop);
    const exchanges = await playExchanges(cluster, cluster.compact);
    if (process.env['FLOWTOLL_RECORD'] === '1')
      writeFileSync(RECORDING, `${JSON.stringify(exchanges, undefined, 1)}\n`);
    expect(exchanges).toEqual(recorded());
  });
}

test('the stand-in says what was recorded of the real one', async () => {
  const standIn = await startStandIn({ controllers: false });
  stops.push(standIn.stop);
  const exchanges = await playExchanges(standIn, async () => standIn.store.compact());
  expect(exchanges).toEqual(recorded());
});

function recorded(): readonly Exchange[] {
  return JSON.parse(readFileSync(RECORDING, 'utf8')) as Exchange[];
}
