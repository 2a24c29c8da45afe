// Far more DESTROY events than the socket has room for, from a real kernel: every entry that was made is accounted once or
// counted as lost, none twice. The oracle is the generator, which knows what it made.
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { ConntrackNamespace } from '../bench/support/conntrack-namespace.ts';
import { nativeProgram } from '../bench/support/native.ts';

const READER = fileURLToPath(new URL('../support/overflow-reader.ts', import.meta.url));
/** L3 bytes of the one packet of each entry. */
const ENTRY_BYTES = 128;
const PATIENCE_MS = 60_000;

interface Made {
  readonly created: number;
  readonly bytes: number;
  readonly remaining: number;
}

interface Accounted {
  readonly connections: number;
  readonly bytes: number;
  readonly lost: Readonly<Record<string, number>>;
  readonly endedUnseen: number;
}

/** Floods a reader whose buffer holds a few hundred events; its dumps run all the while. */
async function flood(delivery: 'reliable' | 'lossy'): Promise<{ made: Made; accounted: Accounted }> {
  await using namespace = await ConntrackNamespace.create();
  await using generator = namespace.start([nativeProgram('evgen')]);
  await using reader = namespace.start([process.execPath, READER, '262144', '100', delivery]);
  await reader.next();
  // In the end the generator waits, at most 20 s, for the table to be empty: in reliable mode, for the agent.
  const made = await generator.ask<Made>('run 1500 3000');
  // Entries that ended unseen are given up after two more dumps, and a busy machine takes its time for those.
  const deadline = performance.now() + PATIENCE_MS;
  while (known(await reader.ask<Accounted>('sums')) !== made.created && performance.now() < deadline) await delay(100);
  return { made, accounted: await reader.ask<Accounted>('stop') };
}

/** Entries that were accounted, or are known to be lost. */
function known({ connections, lost, endedUnseen }: Accounted): number {
  return connections + (lost['events-dropped'] ?? 0) - endedUnseen;
}

test('reliable: all of them, each once, however long the kernel held it back', async () => {
  const { made, accounted } = await flood('reliable');
  expect(made.remaining, 'entries whose events are still held back').toBe(0);
  expect(made.created).toBeGreaterThan(5000);
  const { connections, bytes, lost } = accounted;
  expect({ connections, bytes, lost }).toEqual({ connections: made.created, bytes: made.bytes, lost: {} });
});

test('lossy: each entry is a connection or a dropped event, and nothing is lost under two names', async () => {
  const { made, accounted } = await flood('lossy');
  const { connections, bytes, lost } = accounted;
  expect(lost['events-dropped'] ?? 0, 'no events were dropped: nothing is shown').toBeGreaterThan(1000);
  expect(Object.keys(lost)).toEqual(['events-dropped']);
  expect(known(accounted)).toBe(made.created);
  expect(bytes).toBe(connections * ENTRY_BYTES);
});
