import { expect, test } from 'vitest';
import { planFaults } from './crash/fault-plan.ts';
import { LifeQueue } from './crash/lives.ts';
import { POINTS, type Point, UPKEEP_POINTS } from './crash/points.ts';
import { storeFault } from './crash/store-faults.ts';
import { UpkeepDeaths } from './crash/upkeep-deaths.ts';
import { createRandom } from './lab/random.ts';

const planOf = (seed: number, faults: number) => planFaults(createRandom(seed), { faults, links: 3 });

function hits({ agents, aggregators }: ReturnType<typeof planOf>): Map<Point, number> {
  const counts = new Map<Point, number>();
  for (const { end } of [...agents, ...aggregators]) {
    if ('point' in end) counts.set(end.point, (counts.get(end.point) ?? 0) + 1);
  }
  return counts;
}

test('a seed has one plan of faults, another seed another', () => {
  expect(planOf(7, 300)).toEqual(planOf(7, 300));
  expect(planOf(8, 300)).not.toEqual(planOf(7, 300));
});

test('about as many faults as asked for, each point as often as every other', () => {
  for (const faults of [20, 180, 300]) {
    const plan = planOf(faults, faults);
    const lives = [...plan.agents, ...plan.aggregators];
    const all = lives.length + lives.filter(({ pause }) => pause).length + plan.links.flat().length;
    expect(Math.abs(all - faults), `${all} faults instead of ${faults}`).toBeLessThan(10 + faults / 10);
    const counts = hits(plan);
    expect(new Set(counts.values()).size).toBe(1);
    expect([...counts.keys()].sort()).toEqual([...POINTS].sort());
  }
});

test('processes that do upkeep shall die at the points that were hit least', () => {
  const died = new Map<Point, number>(UPKEEP_POINTS.map((point) => [point, 5]));
  const deaths = new UpkeepDeaths(createRandom(1), died);
  const due = () => new Set(Array.from({ length: 20 }, () => deaths.due().map(({ point }) => point)).flat());
  expect(due()).toEqual(new Set(UPKEEP_POINTS));
  died.set('checkpoint-written', 1);
  expect(due()).toEqual(new Set(['checkpoint-written']));
  died.set('data-file-deleted', 2);
  expect(due()).toEqual(new Set(['checkpoint-written', 'data-file-deleted']));
  const planned = new LifeQueue([{ end: { killAfterMs: 1 } }]);
  const lives = deaths.withMore(planned);
  expect([lives.next(), lives.next()]).toEqual([{ end: { killAfterMs: 1 } }, undefined]);
  died.set('data-file-deleted', 5).delete('checkpoint-written');
  expect(lives.next()).toMatchObject({ end: { killAfterMs: 12_000 } });
  const alone = deaths.alone();
  expect(alone.next()).toMatchObject({ end: { point: 'checkpoint-written' }, besides: [] });
  deaths.end();
  expect(alone.next()).toBeUndefined();
});

test('of requests to the store a part is befallen, conditional writes more than others, by each fault', () => {
  const random = createRandom(1);
  const share = (headers: Record<string, string>) => {
    const faults = Array.from({ length: 20_000 }, () => storeFault(random, { method: 'PUT', headers })?.fault);
    return { kinds: new Set(faults).size - 1, part: faults.filter(Boolean).length / faults.length };
  };
  expect(share({})).toMatchObject({ kinds: 10, part: expect.closeTo(0.013, 2) });
  expect(share({ 'if-none-match': '*' })).toMatchObject({ kinds: 13, part: expect.closeTo(0.08, 1.5) });
});
