// The encoder of rows against protobuf-es, which knows the .proto and nothing of our code.
import { fromBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { WatchResponseSchema } from '../gen/flowtoll/v1/flow_service_pb.ts';
import { encodeRowsMessage, type RowColumn } from './row-columns.ts';
import { decodeRowsMessage } from './row-columns-reader.ts';
import { WireError } from './wire-error.ts';

const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });

/** Columns, and what protobuf shall say of them. */
const columns = fc.array(
  fc.oneof(
    fc
      .record({
        name: fc.string(),
        texts: fc.array(fc.string({ unit: 'grapheme' })),
        codes: fc.option(fc.array(fc.nat(2 ** 32 - 1))),
      })
      .map(({ name, texts, codes }) => ({
        column: {
          name,
          kind: 'text',
          dictionary: texts.map((text) => Buffer.from(text)),
          codes: codes === null ? undefined : Uint32Array.from(codes),
        } satisfies RowColumn as RowColumn,
        said: { name, case: 'text', value: { dictionary: texts, codes: codes ?? [] } },
      })),
    fc
      .record({
        name: fc.string(),
        kind: fc.constantFrom('integers' as const, 'micros' as const, 'picoUsd' as const),
        values: fc.option(fc.array(int64)),
        nulls: fc.option(fc.uint8Array()),
      })
      .map(({ name, kind, values, nulls }) => ({
        column: {
          name,
          kind,
          values: values === null ? undefined : new Uint8Array(BigInt64Array.from(values).buffer),
          nulls: nulls ?? undefined,
        } satisfies RowColumn as RowColumn,
        said: { name, case: kind, value: { values: values ?? [], nulls: Array.from(nulls ?? []) } },
      })),
  ),
);

test('whatever is encoded, protobuf reads as it was', () => {
  fc.assert(
    fc.property(
      fc.record({
        resumeToken: fc.string(),
        version: fc.oneof(fc.maxSafeNat(), fc.nat(300)),
        commitTimeMs: fc.option(fc.integer({ min: 0, max: 8.64e15 / 1000 }), { nil: undefined }),
        rowCount: fc.nat(2 ** 31 - 1),
      }),
      columns,
      (head, described) => {
        const bytes = encodeRowsMessage({ ...head, columns: described.map(({ column }) => column) });
        const { resumeToken, event } = fromBinary(WatchResponseSchema, bytes);
        if (event.case !== 'rows') throw new Error(`no rows but ${event.case}`);
        const { version, commitTime, rowCount, columns } = event.value;
        expect({ resumeToken, version, rowCount }).toEqual({
          resumeToken: head.resumeToken,
          version: BigInt(head.version),
          rowCount: head.rowCount,
        });
        const ms = commitTime && Number(commitTime.seconds) * 1000 + commitTime.nanos / 1e6;
        expect(ms).toBe(head.commitTimeMs);
        const said = columns.map(({ name, values }) => ({
          name,
          case: values.case,
          value:
            values.case === 'text'
              ? { dictionary: values.value.dictionary, codes: values.value.codes }
              : { values: values.value?.values, nulls: Array.from(values.value?.nulls ?? []) },
        }));
        expect(said).toEqual(described.map((one) => one.said));
      },
    ),
  );
});

test('what is encoded is decoded as protobuf reads it, and what is cut is refused', () => {
  const head = { resumeToken: 'here', version: 7, commitTimeMs: 1_800_000_000_123, rowCount: 3 };
  const described: readonly RowColumn[] = [
    { name: 'a', kind: 'text', dictionary: [Buffer.from('x'), Buffer.from('日本')], codes: Uint32Array.of(2, 0, 1) },
    { name: 'b', kind: 'text', dictionary: [Buffer.from('all')], codes: undefined },
    { name: 'c', kind: 'integers', values: new Uint8Array(24).fill(3), nulls: Uint8Array.of(0, 1, 0) },
    { name: 'd', kind: 'picoUsd', values: undefined, nulls: undefined },
  ];
  const bytes = encodeRowsMessage({ ...head, columns: described });
  const plain = (columns: readonly RowColumn[]) =>
    columns.map((column) =>
      column.kind === 'text'
        ? { ...column, dictionary: column.dictionary.map((text) => Buffer.from(text).toString()) }
        : { ...column, values: column.values && [...column.values], nulls: column.nulls && [...column.nulls] },
    );
  const decoded = decodeRowsMessage(bytes);
  expect({ ...decoded, columns: plain(decoded.columns) }).toEqual({ ...head, columns: plain(described) });
  for (let length = 1; length < bytes.length; length++) {
    // Where whole columns are cut off the rest would be a message, but for the length before it.
    expect(() => decodeRowsMessage(bytes.subarray(0, length)), `${length}`).toThrow(WireError);
  }
});
