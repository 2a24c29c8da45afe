// The account that the simulation keeps of bytes: what each batch in a spool holds, what nobody could account, and whether
// the table agrees. A batch is known by its bytes, which no other batch of the same life of a kernel has: whatever its name
// becomes, and whether its flows became a loss.
import type { Disk } from './disk.ts';
import type { Kernel } from './kernel.ts';
import type { StoredBatch } from './table-view.ts';

/** What one batch in a spool holds: the kernel's bytes from one total to another. */
export interface Content {
  readonly kernel: Kernel;
  readonly fromBytes: number;
  readonly toBytes: number;
}

interface Range {
  readonly fromBytes: number;
  readonly toBytes: number;
}

export class Ledger {
  /** By boot id, then by bytes. */
  readonly #contents = new Map<string, Map<number, Content>>();
  readonly #gaps = new Map<Kernel, Range[]>();
  /** Boot ids by epoch. */
  readonly #boots = new Map<string, string>();

  isTaken(kernel: Kernel, bytes: number): boolean {
    return this.#contents.get(kernel.bootId)?.has(bytes) ?? false;
  }

  add(content: Content): void {
    const { kernel, fromBytes, toBytes } = content;
    const ofBoot = this.#contents.get(kernel.bootId) ?? new Map<number, Content>();
    this.#contents.set(kernel.bootId, ofBoot);
    ofBoot.set(toBytes - fromBytes, content);
  }

  /** Batches of this epoch come from this kernel. */
  nameEpoch(epoch: string, { bootId }: Kernel): void {
    // The first half is the spool's, and may become another.
    this.#boots.set(lifeOf(epoch), bootId);
  }

  /** What passed since the last batch that this disk has of the kernel until so many bytes is known to be unknown. */
  addGap(kernel: Kernel, disk: Disk, toBytes: number): void {
    const fromBytes = Math.max(0, ...[...disk.contents].map((one) => (one.kernel === kernel ? one.toBytes : 0)));
    const gaps = this.#gaps.get(kernel) ?? [];
    gaps.push({ fromBytes, toBytes });
    this.#gaps.set(kernel, gaps);
  }

  /** What is wrong with the table. `disks` are those that were not lost. */
  problems(batches: Iterable<StoredBatch>, kernels: Iterable<Kernel>, disks: readonly Disk[]): string[] {
    const problems: string[] = [];
    const stored = new Map<Content, StoredBatch>();
    const damaged = new Map<string, number>();
    for (const batch of batches) {
      const bootId = this.#boots.get(lifeOf(batch.epoch))!;
      if (batch.lossReasons.has('spool-damaged')) damaged.set(bootId, (damaged.get(bootId) ?? 0) + 1);
      else if (batch.bytes > 0) {
        const content = this.#contents.get(bootId)?.get(batch.bytes);
        const name = `${batch.epoch} ${batch.sequence}`;
        const earlier = content && stored.get(content);
        if (content === undefined) problems.push(`${name} has ${batch.bytes} bytes; no spooled batch has so many`);
        else if (earlier) problems.push(`${name} holds what ${earlier.epoch} ${earlier.sequence} holds, too`);
        else stored.set(content, batch);
      }
    }
    for (const kernel of kernels) {
      const all = [...(this.#contents.get(kernel.bootId)?.values() ?? [])].filter((one) => one.kernel === kernel);
      const missing = all.filter((content) => !stored.has(content));
      problems.push(...missingProblems(kernel, missing, disks, damaged.get(kernel.bootId) ?? 0));
      const present = all.filter((content) => stored.has(content));
      problems.push(...conservationProblems(kernel, present, [...missing, ...(this.#gaps.get(kernel) ?? [])]));
    }
    return problems;
  }
}

function lifeOf(epoch: string): string {
  return epoch.slice(epoch.indexOf('.') + 1);
}

/** What a disk that is still there has spooled must be in the table, but for what was damaged. */
function missingProblems(
  { bootId }: Kernel,
  missing: readonly Content[],
  disks: readonly Disk[],
  damaged: number,
): string[] {
  const unexplained = missing.filter((content) => disks.some(({ contents }) => contents.has(content)));
  if (unexplained.length <= damaged) return [];
  const ranges = unexplained.map(({ fromBytes, toBytes }) => `${fromBytes} to ${toBytes}`).join(', ');
  return [
    `of the bytes of boot ${bootId} these were spooled and are not in the table: ${ranges} (${damaged} damaged batches)`,
  ];
}

/** What is in the table covers each byte of the kernel once, but for what is known to be missing. */
function conservationProblems(kernel: Kernel, present: readonly Range[], excused: readonly Range[]): string[] {
  const problems: string[] = [];
  const covers = (ranges: readonly Range[], from: number, to: number) => {
    let at = from;
    for (const { fromBytes, toBytes } of ranges.toSorted((a, b) => a.fromBytes - b.fromBytes)) {
      if (fromBytes <= at) at = Math.max(at, toBytes);
    }
    return at >= to;
  };
  let at = 0;
  const gap = (to: number) => {
    if (to > at && !covers(excused, at, to)) problems.push(`bytes ${at} to ${to} of boot ${kernel.bootId} are nowhere`);
  };
  for (const { fromBytes, toBytes } of present.toSorted((a, b) => a.fromBytes - b.fromBytes)) {
    if (fromBytes < at) problems.push(`bytes ${fromBytes} to ${at} of boot ${kernel.bootId} are in the table twice`);
    gap(fromBytes);
    at = Math.max(at, toBytes);
  }
  gap(kernel.bytes);
  return problems;
}
