// What the table says, read from the store the moment something is written there: an oracle of its own, that shares no code
// with the product's reader. Checks each log entry: versions in a row, batches in order, each once, in files that are there.

/** A row as the simulation stores it. */
export interface StoredRow {
  readonly epoch: string;
  readonly sequence: number;
  /** null where nobody knows. */
  readonly bytes: number | null;
  readonly lossReason: string | null;
}

/** One batch in the table. */
export interface StoredBatch {
  readonly epoch: string;
  readonly sequence: number;
  /** Bytes of its flows and of those of its losses that are known. */
  bytes: number;
  readonly lossReasons: Set<string>;
}

/** Reason of the rows that say that a node has vanished; they are no batches. */
export const VANISHED = 'node-vanished';

export const TABLE_ROOT = 'simulation/flows';
const ENTRY = /^simulation\/flows\/_delta_log\/(\d{20})\.json$/;

interface EntryAction {
  readonly txn?: { readonly appId: string; readonly version: number };
  readonly add?: { readonly path: string };
}

export function entryKey(version: number): string {
  return `${TABLE_ROOT}/_delta_log/${String(version).padStart(20, '0')}.json`;
}

/** Follows the table. */
export class TableView {
  readonly batches = new Map<string, StoredBatch>();
  /** Transactions by application: an epoch's is its highest sequence number. */
  readonly txns = new Map<string, number>();
  version = -1;
  readonly #objects: ReadonlyMap<string, Uint8Array>;
  readonly #fail: (problem: string) => void;
  /** Objects that the log names, and the log itself: they never change. */
  readonly #fixed = new Set<string>();

  constructor(objects: ReadonlyMap<string, Uint8Array>, fail: (problem: string) => void) {
    this.#objects = objects;
    this.#fail = fail;
  }

  /** Highest sequence number of the epoch in the table. */
  committed(epoch: string): number {
    return this.txns.get(epoch) ?? 0;
  }

  onChanged(key: string): void {
    if (this.#fixed.has(key)) this.#fail(`${key}, which the log names, was replaced or removed`);
  }

  /** Reads an object that came into being, if it is a log entry. Returns what it commits, for the trace. */
  onCreated(key: string, bytes: Uint8Array): string | undefined {
    const match = ENTRY.exec(key);
    if (match === null) return undefined;
    const version = Number(match[1]);
    if (version !== this.version + 1) this.#fail(`log version ${version} follows ${this.version}`);
    this.version = version;
    this.#fixed.add(key);
    const actions = Buffer.from(bytes)
      .toString()
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as EntryAction);
    const rows = actions.flatMap(({ add }) => (add === undefined ? [] : this.#rowsOf(add.path, version)));
    for (const { txn } of actions) if (txn !== undefined) this.#take(txn.appId, txn.version, rows, version);
    for (const { epoch, sequence, lossReason } of rows) {
      if (lossReason !== VANISHED && this.committed(epoch) < sequence)
        this.#fail(`version ${version} has rows of ${epoch} ${sequence} without txn`);
    }
    return actions.flatMap(({ txn }) => (txn === undefined ? [] : `${txn.appId}=${txn.version}`)).join(' ');
  }

  #rowsOf(path: string, version: number): StoredRow[] {
    const key = `${TABLE_ROOT}/${path}`;
    const bytes = this.#objects.get(key);
    if (bytes === undefined) this.#fail(`version ${version} names ${path}, which is not there`);
    if (this.#fixed.has(key)) this.#fail(`version ${version} names ${path}, which an earlier one names`);
    this.#fixed.add(key);
    return bytes === undefined ? [] : (JSON.parse(Buffer.from(bytes).toString()) as StoredRow[]);
  }

  #take(appId: string, to: number, rows: readonly StoredRow[], version: number): void {
    const from = this.txns.get(appId) ?? 0;
    this.txns.set(appId, to);
    const [epoch, note] = appId.split('/') as [string, string?];
    if (note === 'vanished') this.#takeVanished(epoch, to, rows, version);
    if (note !== undefined) return;
    if (to <= from) this.#fail(`version ${version} sets the txn of ${epoch} from ${from} to ${to}`);
    for (let sequence = from + 1; sequence <= to; sequence++) {
      const batch: StoredBatch = { epoch, sequence, bytes: 0, lossReasons: new Set() };
      this.batches.set(`${epoch} ${sequence}`, batch);
      const own = rows.filter((row) => row.epoch === epoch && row.sequence === sequence && row.lossReason !== VANISHED);
      // The enricher of the simulation makes one row without bytes of each batch, so that every batch shows.
      const marks = own.filter(({ bytes, lossReason }) => bytes === 0 && lossReason === null).length;
      if (marks !== 1) this.#fail(`version ${version} has batch ${sequence} of ${epoch} ${marks} times`);
      for (const { bytes, lossReason } of own) {
        batch.bytes += bytes ?? 0;
        if (lossReason !== null) batch.lossReasons.add(lossReason);
      }
    }
    for (const row of rows) {
      if (row.epoch === epoch && row.lossReason !== VANISHED && (row.sequence <= from || row.sequence > to)) {
        this.#fail(`version ${version} has rows of ${epoch} ${row.sequence}, and commits ${from + 1} to ${to}`);
      }
    }
  }

  #takeVanished(epoch: string, sequence: number, rows: readonly StoredRow[], version: number): void {
    const own = rows.filter((row) => row.epoch === epoch && row.lossReason === VANISHED);
    if (own.length === 1 && own[0]!.sequence === sequence) return;
    this.#fail(`version ${version} records ${epoch} as vanished after ${sequence}, in ${own.length} rows`);
  }
}
