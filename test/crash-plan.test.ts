import { expect, test } from 'vitest';
import { planFaults } from './crash/fault-plan.ts';
import { POINTS, type Point } from './crash/points.ts';
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
