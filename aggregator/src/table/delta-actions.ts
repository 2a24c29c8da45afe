// The actions of a Delta log entry and their JSON (Delta PROTOCOL.md, "Actions"): one JSON object per line, each with one
// key. Knows neither the table's columns nor where the log is.
import { FlowtollError } from '../model/errors.ts';

export interface ProtocolAction {
  readonly minReaderVersion: number;
  readonly minWriterVersion: number;
  /** What readers and writers of the table must know, from versions 3 and 7 on. */
  readonly readerFeatures?: readonly string[];
  readonly writerFeatures?: readonly string[];
}

export interface MetaDataAction {
  readonly id: string;
  readonly format: { readonly provider: string; readonly options: Readonly<Record<string, string>> };
  readonly schemaString: string;
  readonly partitionColumns: readonly string[];
  readonly configuration: Readonly<Record<string, string>>;
  /** ms since the Unix epoch. */
  readonly createdTime?: number;
}

export interface AddAction {
  /** Relative to the table's root, URI-encoded. */
  readonly path: string;
  readonly partitionValues: Readonly<Record<string, string | null>>;
  /** Bytes. */
  readonly size: number;
  /** ms since the Unix epoch. */
  readonly modificationTime: number;
  readonly dataChange: boolean;
  /** JSON text. */
  readonly stats?: string;
}

export interface RemoveAction {
  readonly path: string;
  readonly dataChange: boolean;
  /** When it was removed; ms since the Unix epoch. Vacuum counts from here. */
  readonly deletionTimestamp?: number;
}

export interface TxnAction {
  readonly appId: string;
  readonly version: number;
  /** ms since the Unix epoch. */
  readonly lastUpdated?: number;
}

export interface CommitInfoAction {
  /** Names one attempt to commit for ever: how a writer recognises its own entry. */
  readonly commitId?: string;
  readonly [key: string]: unknown;
}

/** The content of one log entry. */
export interface Commit {
  readonly commitInfo?: CommitInfoAction;
  readonly protocol?: ProtocolAction;
  readonly metaData?: MetaDataAction;
  readonly txns: readonly TxnAction[];
  readonly adds: readonly AddAction[];
  readonly removes: readonly RemoveAction[];
}

/** The bytes of the log entry. */
export function encodeCommit(commit: Commit): Uint8Array {
  const actions: unknown[] = [];
  for (const [name, action] of [
    ['commitInfo', commit.commitInfo],
    ['protocol', commit.protocol],
    ['metaData', commit.metaData],
  ] as const) {
    if (action !== undefined) {
      actions.push({ [name]: action });
    }
  }
  actions.push(...commit.txns.map((txn) => ({ txn })));
  actions.push(...commit.removes.map((remove) => ({ remove })));
  actions.push(...commit.adds.map((add) => ({ add })));
  return Buffer.from(`${actions.map((action) => JSON.stringify(action)).join('\n')}\n`);
}

/** Reads a log entry; `key` names it in errors. Actions that we do not know are skipped: the protocol action guards us. */
export function decodeCommit(bytes: Uint8Array, key: string): Commit {
  const commit: {
    commitInfo?: CommitInfoAction;
    protocol?: ProtocolAction;
    metaData?: MetaDataAction;
    txns: TxnAction[];
    adds: AddAction[];
    removes: RemoveAction[];
  } = { txns: [], adds: [], removes: [] };
  const lines = Buffer.from(bytes).toString().split('\n');
  let actions = 0;
  lines.forEach((line, i) => {
    if (line.trim() === '') {
      return;
    }
    const at = `${key}, line ${i + 1}`;
    const action = parseObject(line, at);
    actions++;
    for (const [name, value] of Object.entries(action)) {
      if (value === null) {
        continue;
      }
      const fields = new Fields(value, name, at);
      switch (name) {
        case 'commitInfo':
          commit.commitInfo = fields.object;
          break;
        case 'protocol':
          commit.protocol = {
            minReaderVersion: fields.number('minReaderVersion'),
            minWriterVersion: fields.number('minWriterVersion'),
            ...fields.optionalNames('readerFeatures'),
            ...fields.optionalNames('writerFeatures'),
          };
          break;
        case 'metaData':
          commit.metaData = metaDataOf(fields);
          break;
        case 'txn':
          commit.txns.push({
            appId: fields.text('appId'),
            version: fields.number('version'),
            ...fields.optionalNumber('lastUpdated'),
          });
          break;
        case 'add':
          commit.adds.push({
            path: fields.text('path'),
            partitionValues: fields.texts('partitionValues'),
            size: fields.number('size'),
            modificationTime: fields.number('modificationTime'),
            dataChange: fields.flag('dataChange'),
          });
          break;
        case 'remove':
          commit.removes.push({
            path: fields.text('path'),
            dataChange: fields.flag('dataChange'),
            ...fields.optionalNumber('deletionTimestamp'),
          });
          break;
      }
    }
  });
  if (actions === 0) {
    // No writer makes such an entry; taken as one without changes it would hide the rows that it once named.
    throw new FlowtollError('TABLE_INVALID', `${key} is empty: the log of the table is damaged`);
  }
  return commit;
}

function metaDataOf(fields: Fields): MetaDataAction {
  return {
    id: fields.text('id'),
    format: { provider: 'parquet', options: {} },
    schemaString: fields.text('schemaString'),
    partitionColumns: fields.names('partitionColumns'),
    configuration: fields.texts('configuration') as Record<string, string>,
    ...fields.optionalNumber('createdTime'),
  };
}

function parseObject(text: string, at: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new FlowtollError('TABLE_INVALID', `${at} is not JSON: the log of the table is damaged`, { cause });
  }
  if (!isObject(value)) {
    throw new FlowtollError('TABLE_INVALID', `${at} is not a JSON object: the log of the table is damaged`);
  }
  return value;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The fields of one action, checked as they are read. */
class Fields {
  readonly object: Record<string, unknown>;
  readonly #name: string;
  readonly #at: string;

  constructor(value: unknown, name: string, at: string) {
    this.#name = name;
    this.#at = at;
    if (!isObject(value)) {
      throw new FlowtollError('TABLE_INVALID', `${at}: ${name} is not an object`);
    }
    this.object = value;
  }

  text(field: string): string {
    const value = this.object[field];
    if (typeof value !== 'string') {
      throw this.invalid(field, 'text');
    }
    return value;
  }

  number(field: string): number {
    const value = this.object[field];
    if (typeof value !== 'number' || !Number.isSafeInteger(value)) {
      throw this.invalid(field, 'an integer');
    }
    return value;
  }

  optionalNumber<const F extends string>(field: F): Partial<Record<F, number>> {
    const value = this.object[field];
    return value === undefined || value === null ? {} : ({ [field]: this.number(field) } as Record<F, number>);
  }

  names(field: string): readonly string[] {
    const value = this.object[field];
    if (!Array.isArray(value) || !value.every((name) => typeof name === 'string')) {
      throw this.invalid(field, 'a list of names');
    }
    return value;
  }

  optionalNames<const F extends string>(field: F): Partial<Record<F, readonly string[]>> {
    const value = this.object[field];
    return value === undefined || value === null
      ? {}
      : ({ [field]: this.names(field) } as Record<F, readonly string[]>);
  }

  flag(field: string): boolean {
    const value = this.object[field];
    if (typeof value !== 'boolean') {
      throw this.invalid(field, 'true or false');
    }
    return value;
  }

  /** An object of texts; absent is empty. */
  texts(field: string): Record<string, string | null> {
    const value = this.object[field] ?? {};
    if (!isObject(value) || !Object.values(value).every((text) => text === null || typeof text === 'string')) {
      throw this.invalid(field, 'an object of texts');
    }
    return value as Record<string, string | null>;
  }

  invalid(field: string, wanted: string): FlowtollError {
    return new FlowtollError(
      'TABLE_INVALID',
      `${this.#at}: ${this.#name}.${field} is ${JSON.stringify(this.object[field])}, not ${wanted}`,
    );
  }
}
