// What may go wrong in a world, and how often. Each fault begins at an instant and sees to its own end.
import { STEPS } from './node.ts';
import { FAIR, OUTAGE, STORM } from './store.ts';
import type { World } from './world.ts';

interface Fault {
  readonly name: string;
  /** How often, in comparison to the others. */
  readonly weight: number;
  readonly begin: (world: World) => void;
}

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

export const FAULTS: readonly Fault[] = [
  {
    name: 'connections are cut',
    weight: 3,
    begin({ network, random }) {
      for (const connection of network.connections) {
        if (random.chance(0.5)) connection.cut(random.spread(1, 40_000), random.spread(1, 40_000));
      }
    },
  },
  {
    name: 'a connection is dead in one direction',
    weight: 3,
    begin({ network, random, note }) {
      const { connections } = network;
      if (connections.length === 0) return;
      const connection = random.pick(connections);
      const direction = random.chance(0.5) ? 'up' : 'down';
      note(`${connection.name}: dead ${direction}`);
      connection.halfOpen(direction, random.spread(1000, 40_000), random.spread(1000, 90_000));
    },
  },
  {
    name: 'the network is slow',
    weight: 1,
    begin({ network, random, clock }) {
      network.delayMaxMs = 15_000;
      clock.after(random.spread(10_000, 3 * MINUTE_MS), () => {
        network.delayMaxMs = 20;
      });
    },
  },
  {
    name: 'a node reaches nobody',
    weight: 2,
    begin(world) {
      const { random, clock, network } = world;
      const node = random.pick(world.nodes);
      world.note(`${node.name}: isolated`);
      node.isIsolated = true;
      for (const connection of network.connections) {
        if (node.agent && connection.isOf(node.agent.process)) connection.cut(random.spread(1, 40_000), 40_000);
      }
      clock.after(random.spread(MINUTE_MS, 25 * MINUTE_MS), () => {
        node.isIsolated = false;
      });
    },
  },
  {
    name: 'the store is stormy',
    weight: 3,
    begin(world) {
      world.store.weather = STORM;
      world.clock.after(world.random.spread(10_000, 5 * MINUTE_MS), () => {
        world.store.weather = FAIR;
      });
    },
  },
  {
    name: 'the store is out',
    weight: 1,
    begin(world) {
      world.store.weather = OUTAGE;
      world.clock.after(world.random.spread(10_000, 6 * MINUTE_MS), () => {
        world.store.weather = FAIR;
      });
    },
  },
  {
    name: 'a replica dies',
    weight: 3,
    begin(world) {
      const { random, clock } = world;
      const place = random.integer(0, world.replicas.length - 1);
      world.replicas[place]!.kill(random.chance(0.3));
      clock.after(random.spread(1000, 2 * MINUTE_MS), () => world.startReplica(place));
    },
  },
  {
    name: 'a replica loses a batch that it took',
    weight: 1,
    begin: ({ random, replicas }) => random.pick(replicas).loseBatch(),
  },
  {
    name: 'a replica is replaced as it should be',
    weight: 1,
    begin(world) {
      const place = world.random.integer(0, world.replicas.length - 1);
      void world.replicas[place]!.stop();
      world.clock.after(world.random.spread(5000, MINUTE_MS), () => world.startReplica(place));
    },
  },
  { name: 'a replica stands still', weight: 2, begin: (world) => standStill(world, world.random.spread(1000, 90_000)) },
  { name: 'a replica stands still for an hour', weight: 2, begin: (world) => standStill(world, HOUR_MS) },
  {
    name: 'an agent dies',
    weight: 3,
    begin(world) {
      const node = world.random.pick(world.nodes);
      node.crash();
      world.restartLater(node);
    },
  },
  {
    name: 'an agent dies at a step',
    weight: 5,
    begin(world) {
      const node = world.random.pick(world.nodes);
      node.dieAt = world.random.pick(STEPS);
    },
  },
  {
    name: 'a node boots',
    weight: 2,
    begin(world) {
      const node = world.random.pick(world.nodes);
      node.reboot();
      world.restartLater(node);
    },
  },
  {
    name: 'a disk is set back',
    weight: 2,
    begin(world) {
      const node = world.random.pick(world.nodes);
      const copy = world.copyDisk(node.disk, world.random.pick(['image', 'image', 'files']));
      world.note(`${node.name}: snapshot of the disk`);
      world.clock.after(world.random.spread(10_000, 10 * MINUTE_MS), () => {
        if (world.isCalm) return;
        world.note(`${node.name}: disk set back`);
        if (world.random.chance(0.5)) node.reboot();
        else node.crash();
        node.disk.remove();
        node.exchangeDisk(copy);
        world.restartLater(node);
      });
    },
  },
  {
    name: 'a machine is cloned',
    weight: 1,
    begin(world) {
      const node = world.random.pick(world.nodes);
      // Of another cluster, perhaps: then its node has the same name.
      const hostname = world.random.chance(0.5) ? node.config.hostname : `${node.config.hostname}-clone`;
      const clone = world.addNode(`${node.name}'`, world.copyDisk(node.disk, 'image'), hostname);
      world.note(`${clone.name}: clone of ${node.name}`);
      world.restartLater(clone);
    },
  },
  {
    name: 'a node is installed anew',
    weight: 1,
    begin(world) {
      const node = world.random.pick(world.nodes);
      if (world.random.chance(0.5)) node.reboot();
      else node.crash();
      world.note(`${node.name}: installed anew`);
      node.disk.remove();
      node.exchangeDisk(world.newDisk());
      world.restartLater(node);
    },
  },
  {
    name: 'a batch on a disk is damaged',
    weight: 1,
    begin(world) {
      const node = world.random.pick(world.nodes);
      node.crash();
      node.disk.stamp(world.clock.nowMs);
      if (node.disk.damage(world.random, world.clock.nowMs)) {
        world.note(`${node.name}: a batch is damaged`);
        node.wasTamperedWith = true;
      }
      world.restartLater(node);
    },
  },
];

function standStill(world: World, forMs: number): void {
  const replica = world.random.pick(world.replicas);
  world.note(`${replica.name}: stands still for ${Math.round(forMs / 1000)} s`);
  world.pause(replica, forMs);
}

/** One of the faults, by weight. */
export function pickFault(chance: number): Fault {
  let at = chance * FAULTS.reduce((total, { weight }) => total + weight, 0);
  return FAULTS.find(({ weight }) => {
    at -= weight;
    return at < 0;
  })!;
}
