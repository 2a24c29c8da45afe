// The encoder of rows against protobuf-es, which knows the .proto and nothing of our code.
import { fromBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { WatchResponseSchema } from '../gen/flowtoll/v1/flow_service_pb.ts';
import { encodeRowsMessage, type RowColumn } from './row-columns.ts';

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
