// The codec against protobuf-es, which is an independent reader and writer of the same messages.
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type FlowColumns, FlowColumnsSchema } from '../gen/flowtoll/v1/flow_pb.ts';
import { counter, flowArrays } from './flow-arrays.testing.ts';
import type { FlowArrays, WireColumns } from './flow-arrays.ts';
import { decodeFlowColumns, encodeFlowColumns } from './flow-columns.ts';
import { compressionOrder } from './flow-order.ts';
import { WireError } from './wire-error.ts';

/** What protobuf-es holds for the same flows. */
function toMessage(flows: FlowArrays): FlowColumns {
  const fixed = (values: Uint32Array) => [...values];
  const wide = (values: Float64Array) => [...values].map(BigInt);
  return create(FlowColumnsSchema, {
    addresses: Array.from({ length: flows.addressCount }, (_, i) =>
      flows.addresses.slice(16 * i, 16 * i + (flows.addressIsV6[i] === 1 ? 16 : 4)),
    ),
    prefixLengths: Uint8Array.from(flows.prefixLengths),
    initiator: fixed(flows.initiator),
    responder: fixed(flows.responder),
    originalDestination: fixed(flows.originalDestination),
    originalDestinationPort: fixed(flows.originalDestinationPort),
    translatedSource: fixed(flows.translatedSource),
    protocol: Uint8Array.from(flows.protocol),
    responderPort: fixed(flows.responderPort),
    initiatorBytes: wide(flows.initiatorBytes),
    initiatorPackets: wide(flows.initiatorPackets),
    responderBytes: wide(flows.responderBytes),
    responderPackets: wide(flows.responderPackets),
    connections: fixed(flows.connections),
    folded: flows.foldedCount > 0 ? Uint8Array.from(flows.folded) : new Uint8Array(),
  });
}

/** What the decoder must give for a message. */
function toColumns(message: FlowColumns): WireColumns {
  const addresses = new Uint8Array(16 * message.addresses.length);
  for (const [i, address] of message.addresses.entries()) addresses.set(address, 16 * i);
  return {
    addressCount: message.addresses.length,
    addresses,
    addressIsV6: Uint8Array.from(message.addresses, (address) => (address.length === 16 ? 1 : 0)),
    prefixLengths: Uint8Array.from(message.prefixLengths),
    initiator: Uint32Array.from(message.initiator),
    responder: Uint32Array.from(message.responder),
    originalDestination: Uint32Array.from(message.originalDestination),
    originalDestinationPort: Uint32Array.from(message.originalDestinationPort),
    translatedSource: Uint32Array.from(message.translatedSource),
    protocol: Uint8Array.from(message.protocol),
    responderPort: Uint32Array.from(message.responderPort),
    initiatorBytes: Float64Array.from(message.initiatorBytes, Number),
    initiatorPackets: Float64Array.from(message.initiatorPackets, Number),
    responderBytes: Float64Array.from(message.responderBytes, Number),
    responderPackets: Float64Array.from(message.responderPackets, Number),
    connections: Uint32Array.from(message.connections),
    folded: Uint8Array.from(message.folded),
  };
}

const parse = (bytes: Uint8Array) => fromBinary(FlowColumnsSchema, bytes, { readUnknownFields: false });

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof WireError) return error.code;
    throw error;
  }
  return 'no error';
}

describe('encodeFlowColumns', () => {
  test('protobuf-es reads our bytes as the same values', () => {
    fc.assert(
      fc.property(flowArrays, (flows) => {
        expect(parse(encodeFlowColumns(flows))).toEqual(toMessage(flows));
      }),
    );
  });

  test('in another order, each flow keeps its values', () => {
    fc.assert(
      fc.property(flowArrays, (flows) => {
        const order = compressionOrder(flows);
        expect([...order].sort((a, b) => a - b)).toEqual(Array.from({ length: flows.count }, (_, i) => i));
        const straight = toMessage(flows);
        const sorted = parse(encodeFlowColumns(flows, order));
        for (const name of ['initiator', 'responderPort', 'connections', 'responderBytes', 'initiatorBytes'] as const) {
          expect(sorted[name]).toEqual([...order].map((from) => straight[name][from]));
        }
        expect([...sorted.protocol]).toEqual([...order].map((from) => straight.protocol[from]));
        const keys = sorted.responderPort.map((port, i) => port * 100 + sorted.initiator[i]!);
        expect(keys).toEqual(keys.toSorted((a, b) => a - b));
      }),
    );
  });

  test('takes buffers that are longer than the flows, as reused ones are', () => {
    const flows = fc.sample(flowArrays, { numRuns: 20, seed: 7 }).find(({ count }) => count > 4)!;
    expect(parse(encodeFlowColumns({ ...flows, count: 2 })).responderBytes).toEqual(
      toMessage(flows).responderBytes.slice(0, 2),
    );
  });

  for (const value of [2 ** 53, -1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 1e300]) {
    test(`refuses the counter ${value}`, () => {
      const flows = { ...fc.sample(flowArrays, 20).find(({ count }) => count > 0)! };
      flows.responderBytes.set([value]);
      expect(codeOf(() => encodeFlowColumns(flows))).toBe('COUNTER_RANGE');
      expect(() => encodeFlowColumns(flows)).toThrow(`responder_bytes[0] is ${value}`);
    });
  }

  test('refuses a column that is too short, and too many flows', () => {
    const flows = fc.sample(flowArrays, 20).find(({ count }) => count > 1)!;
    const short = { ...flows, connections: flows.connections.subarray(1) };
    expect(() => encodeFlowColumns(short)).toThrow(
      `connections has ${flows.count - 1} elements; ${flows.count} are needed`,
    );
    expect(codeOf(() => encodeFlowColumns({ ...flows, count: 100_001 }))).toBe('OVER_LIMIT');
  });
});

describe('decodeFlowColumns', () => {
  test('reads what protobuf-es writes', () => {
    fc.assert(
      fc.property(flowArrays, (flows) => {
        const message = toMessage(flows);
        expect(decodeFlowColumns(toBinary(FlowColumnsSchema, message))).toEqual(toColumns(message));
      }),
    );
  });

  test('reads columns that stand unpacked, split and between unknown fields, as protobuf-es does', () => {
    const bytes = Uint8Array.of(
      ...[0x1d, 7, 0, 0, 0], // initiator, unpacked
      ...[0x1a, 8, 1, 0, 0, 0, 2, 0, 0, 1], // initiator, packed, continued
      ...[0x51, 1, 0, 0, 0, 2, 0, 0, 0], // initiator_bytes, unpacked
      ...[0xfa, 0x07, 2, 9, 9], // field 127, unknown
      ...[0x1a, 0], // initiator, packed, empty
      ...[0x42, 3, 6, 6, 6], // protocol, replaced below
      ...[0x42, 1, 17],
      ...[0xa3, 0x06, 0x08, 0x01, 0xa4, 0x06], // field 100, a group
      ...[0xa0, 0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01], // field 20, a long varint
    );
    const columns = decodeFlowColumns(bytes);
    expect(columns).toEqual(toColumns(parse(bytes)));
    expect([...columns.initiator]).toEqual([7, 1, 2 + 2 ** 24]);
    expect([...columns.initiatorBytes]).toEqual([1 + 2 * 2 ** 32]);
    expect([...columns.protocol]).toEqual([17]);
  });

  test('any bytes decode as protobuf-es decodes them, or raise WireError', () => {
    // Tags that are nearly right reach deeper than random bytes do.
    const field = fc
      .tuple(fc.integer({ min: 1, max: 15 }), fc.constantFrom(0, 1, 2, 3, 4, 5), fc.uint8Array({ maxLength: 24 }))
      .map(([number, type, body]) => [(number << 3) | type, ...(type === 2 ? [body.length] : []), ...body]);
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc.array(field, { maxLength: 8 }).map((fields) => Uint8Array.from(fields.flat())),
      fc.tuple(flowArrays, fc.nat(), fc.nat(255)).map(([flows, at, value]) => {
        const whole = encodeFlowColumns(flows);
        whole[at % whole.length] = value;
        return whole;
      }),
    );
    let decoded = 0;
    fc.assert(
      fc.property(bytes, (input) => {
        let columns: WireColumns;
        try {
          columns = decodeFlowColumns(input);
        } catch (error) {
          if (error instanceof WireError) return;
          throw error;
        }
        decoded++;
        expect(columns).toEqual(toColumns(parse(input)));
      }),
      { numRuns: 3000 },
    );
    expect(decoded).toBeGreaterThan(100);
  });

  test('counters are exact to 2^53 - 1, and an error beyond', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), counter, (wide, narrow) => {
        const message = create(FlowColumnsSchema, { responderPackets: [BigInt(narrow), wide] });
        const bytes = toBinary(FlowColumnsSchema, message);
        if (wide < 2n ** 53n) expect([...decodeFlowColumns(bytes).responderPackets]).toEqual([narrow, Number(wide)]);
        else expect(() => decodeFlowColumns(bytes)).toThrow(`responder_packets[1] is ${wide}`);
      }),
    );
  });

  const refused = [
    { name: 'an address of 5 bytes', bytes: [0x0a, 5, 1, 2, 3, 4, 5], code: 'ADDRESS_LENGTH', text: 'addresses[0]' },
    { name: 'an empty address', bytes: [0x0a, 0], code: 'ADDRESS_LENGTH', text: '0 bytes' },
    { name: 'a column that is no whole number of values', bytes: [0x1a, 3, 1, 2, 3], code: 'COLUMN_LENGTH' },
    { name: 'a length beyond the end', bytes: [0x1a, 0x7f, 1], code: 'TRUNCATED', text: 'needs 127 bytes' },
    { name: 'an absurd length', bytes: [0x1a, 0xff, 0xff, 0xff, 0xff, 0x0f], code: 'TRUNCATED' },
    { name: 'a length of more than 32 bits', bytes: [0x1a, 0xff, 0xff, 0xff, 0xff, 0x1f], code: 'MALFORMED' },
    { name: 'a known field as varint', bytes: [0x18, 1], code: 'WIRE_TYPE', text: 'initiator' },
    { name: 'field number 0', bytes: [0x02, 0], code: 'MALFORMED' },
    { name: 'a group without end', bytes: [0xa3, 0x06, 0x08, 0x01], code: 'TRUNCATED' },
    { name: 'the end of another group', bytes: [0xa3, 0x06, 0xac, 0x06], code: 'MALFORMED' },
    { name: 'groups nested too deep', bytes: Array(150).fill([0xa3, 0x06]).flat(), code: 'MALFORMED' },
    { name: 'reserved wire type', bytes: [0xa7, 0x06], code: 'MALFORMED' },
  ];
  for (const { name, bytes, code, text } of refused) {
    test(`refuses ${name}`, () => {
      const decode = () => decodeFlowColumns(Uint8Array.from(bytes));
      expect(codeOf(decode)).toBe(code);
      if (text !== undefined) expect(decode).toThrow(text);
    });
  }

  test('refuses more elements than the reader takes, before it allocates for them', () => {
    const limits = { flowsMax: 2, addressesMax: 1 };
    const three = encodeField(3, new Uint8Array(12));
    expect(() => decodeFlowColumns(three, limits)).toThrow('initiator has 3 elements or more; at most 2');
    const split = Uint8Array.of(...Array(3).fill([0x1d, 0, 0, 0, 0]).flat());
    expect(() => decodeFlowColumns(split, limits)).toThrow('initiator has 3 elements or more; at most 2');
    const addresses = Uint8Array.of(0x0a, 4, 1, 2, 3, 4, 0x0a, 4, 1, 2, 3, 4);
    expect(() => decodeFlowColumns(addresses, limits)).toThrow('addresses has 2 elements or more; at most 1');
  });
});

/** One length-delimited field of fewer than 128 bytes. */
function encodeField(fieldNumber: number, body: Uint8Array): Uint8Array {
  return Uint8Array.of((fieldNumber << 3) | 2, body.length, ...body);
}
