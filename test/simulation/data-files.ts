// Data files and enrichment, stripped to what the protocol needs: a row says which batch it is of, and how many bytes it
// holds; a file is JSON. The product's Parquet, names and prices have their own tests.
import type { Enricher } from '@flowtoll/aggregator/enrich/enricher.ts';
import { blankRow } from '@flowtoll/aggregator/model/blank-row.ts';
import type { RowSink } from '@flowtoll/aggregator/pipeline.ts';
import type { ObjectStore } from '@flowtoll/aggregator/store/store.ts';
import type { DataFiles, StagedFiles } from '@flowtoll/aggregator/table/data-files.ts';
import { type StoredRow, TABLE_ROOT, VANISHED } from './table-view.ts';

const row = blankRow('simulation');

/** A row without bytes for the batch itself, one for each flow, one for each loss. */
export const enricher: Enricher = {
  enrich(batch, emit) {
    row.ip = batch.epoch;
    row.port = batch.sequence;
    row.lossReason = null;
    row.txBytes = 0;
    if (batch.losses[0]?.reason !== VANISHED) emit(row);
    for (let i = 0; i < batch.count; i++) {
      row.txBytes = batch.initiatorBytes[i]! + batch.responderBytes[i]!;
      emit(row);
    }
    for (const loss of batch.losses) {
      row.lossReason = loss.reason;
      row.txBytes = loss.bytes ?? null;
      emit(row);
    }
    return { flows: batch.count, rows: 0, lossRows: 0, forwardedFlows: 0, guessedFlows: 0, unknownNodeFlows: 0 };
  },
};

/** Files of rows as JSON. */
export class JsonFiles implements DataFiles<RowSink> {
  readonly #store: ObjectStore;
  readonly #newName: () => string;

  constructor(store: ObjectStore, newName: () => string) {
    this.#store = store;
    this.#newName = newName;
  }

  async write(fill: (rows: RowSink) => void): Promise<StagedFiles> {
    const rows: StoredRow[] = [];
    fill({
      append: ({ ip, port, txBytes, lossReason }) =>
        rows.push({ epoch: ip ?? '', sequence: port ?? 0, bytes: txBytes, lossReason }),
    });
    if (rows.length === 0) return { adds: [], rowCount: 0 };
    const path = `${this.#newName()}.json`;
    const bytes = Buffer.from(JSON.stringify(rows));
    const add = { path, partitionValues: {}, size: bytes.length, modificationTime: 0, dataChange: true };
    try {
      await this.#store.put(`${TABLE_ROOT}/${path}`, bytes);
    } catch (error) {
      await this.discard({ adds: [add], rowCount: 0 }).catch(() => undefined);
      throw error;
    }
    return { adds: [add], rowCount: rows.length };
  }

  async discard({ adds }: StagedFiles): Promise<void> {
    for (const { path } of adds) await this.#store.delete(`${TABLE_ROOT}/${path}`);
  }
}
