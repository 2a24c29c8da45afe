// Objects as the Kubernetes API writes them in Protocol Buffers → the same as its JSON says, as far as anybody reads them (raw-objects.ts).
// Everything else is skipped by its length, which is why lists are asked for in this form: of a pod that is nine bytes of ten. Numbers
// of fields are those of generated.proto in k8s.io/api and k8s.io/apimachinery, where they never change. The server writes empty texts
// where JSON leaves them out; here, too, they are left out.
import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';
import type { ObjectHead } from './object-head.ts';
import type { RawListEnvelope, RawObject } from './raw-objects.ts';

type Target = Record<string, unknown>;
/** Reads the value that begins at the reader's position. */
type Read = (reader: BinaryReader, target: Target, name: string) => void;

interface Field {
  readonly name: string;
  readonly wireType: WireType;
  readonly read: Read;
}

/** Fields by their numbers. */
type Message = readonly (Field | undefined)[];

function message(fields: Readonly<Record<number, Field>>): Message {
  const numbers = Object.keys(fields).map(Number);
  return Array.from({ length: Math.max(...numbers) + 1 }, (_, number) => fields[number]);
}

const field = (name: string, wireType: WireType, read: Read): Field => ({ name, wireType, read });

const text = (name: string): Field =>
  field(name, WireType.LengthDelimited, (reader, target) => {
    const value = reader.string();
    if (value !== '') target[name] = value;
  });

const texts = (name: string): Field =>
  field(name, WireType.LengthDelimited, (reader, target) => listIn(target, name).push(reader.string()));

const bool = (name: string): Field =>
  field(name, WireType.Varint, (reader, target) => {
    target[name] = reader.bool();
  });

const int32 = (name: string): Field =>
  field(name, WireType.Varint, (reader, target) => {
    target[name] = reader.int32();
  });

const nested = (name: string, type: Message): Field =>
  field(name, WireType.LengthDelimited, (reader, target) => {
    const value: Target = {};
    // Before it is whole: of a large object there is the beginning alone.
    target[name] = value;
    fill(value, type, reader, endOf(reader));
  });

const list = (name: string, type: Message): Field =>
  field(name, WireType.LengthDelimited, (reader, target) => {
    const value: Target = {};
    listIn(target, name).push(value);
    fill(value, type, reader, endOf(reader));
  });

const ENTRY = message({ 1: text('key'), 2: text('value') });

const textMap = (name: string): Field =>
  field(name, WireType.LengthDelimited, (reader, target) => {
    const entry: { key?: string; value?: string } = {};
    fill(entry, ENTRY, reader, endOf(reader));
    // Without a prototype, any key is a key.
    target[name] ??= Object.create(null);
    (target[name] as Record<string, string>)[entry.key ?? ''] = entry.value ?? '';
  });

const TIME = message({
  1: field('seconds', WireType.Varint, (reader, target) => {
    target['seconds'] = Number(reader.int64());
  }),
});

/** Milliseconds; no time is a message without seconds. */
const time = (name: string): Field =>
  field(name, WireType.LengthDelimited, (reader, target) => {
    const value: { seconds?: number } = {};
    fill(value, TIME, reader, endOf(reader));
    if (value.seconds !== undefined) target[name] = value.seconds * 1000;
  });

const OWNER_REFERENCE = message({
  1: text('kind'),
  3: text('name'),
  4: text('uid'),
  5: text('apiVersion'),
  6: bool('controller'),
});

const METADATA = nested(
  'metadata',
  message({
    1: text('name'),
    3: text('namespace'),
    5: text('uid'),
    6: text('resourceVersion'),
    8: time('creationTimestamp'),
    9: time('deletionTimestamp'),
    11: textMap('labels'),
    13: list('ownerReferences', OWNER_REFERENCE),
  }),
);

const IP = message({ 1: text('ip') });

const CONTAINER_STATUS = message({
  2: nested('state', message({ 3: nested('terminated', message({ 6: time('finishedAt') })) })),
});

const POD = message({
  1: METADATA,
  2: nested('spec', message({ 10: text('nodeName'), 11: bool('hostNetwork') })),
  3: nested(
    'status',
    message({
      1: text('phase'),
      6: text('podIP'),
      7: time('startTime'),
      8: list('containerStatuses', CONTAINER_STATUS),
      10: list('initContainerStatuses', CONTAINER_STATUS),
      12: list('podIPs', IP),
      13: list('ephemeralContainerStatuses', CONTAINER_STATUS),
    }),
  ),
});

const NODE = message({
  1: METADATA,
  2: nested('spec', message({ 1: text('podCIDR'), 3: text('providerID'), 7: texts('podCIDRs') })),
  3: nested('status', message({ 5: list('addresses', message({ 1: text('type'), 2: text('address') })) })),
});

const SERVICE = message({
  1: METADATA,
  2: nested(
    'spec',
    message({
      1: list('ports', message({ 2: text('protocol'), 3: int32('port'), 5: int32('nodePort') })),
      3: text('clusterIP'),
      4: text('type'),
      5: texts('externalIPs'),
      18: texts('clusterIPs'),
    }),
  ),
  3: nested('status', message({ 1: nested('loadBalancer', message({ 1: list('ingress', IP) })) })),
});

const ENDPOINT_SLICE = message({
  1: METADATA,
  2: list(
    'endpoints',
    message({
      1: texts('addresses'),
      4: nested('targetRef', message({ 1: text('kind'), 2: text('namespace'), 3: text('name') })),
      6: text('nodeName'),
      7: text('zone'),
    }),
  ),
});

const METADATA_ALONE = message({ 1: METADATA });

/** Of a list; its items are in field 2 of all kinds. */
const LIST_METADATA = message({ 2: text('resourceVersion'), 3: text('continue') });

/** Kinds of which more than metadata is read. */
const WHOLE = new Map<string, Message>([
  ['Pod', POD],
  ['Node', NODE],
  ['Service', SERVICE],
  ['EndpointSlice', ENDPOINT_SLICE],
]);

/** Reads an object of this kind. Throws an Error for what is no such message. */
export function protobufReader(kind: string): (bytes: Buffer) => RawObject {
  const type = WHOLE.get(kind) ?? METADATA_ALONE;
  return (bytes) => read(type, bytes);
}

/** Throws an Error for what is no such message. */
export function readListMetadata(bytes: Buffer): NonNullable<RawListEnvelope['metadata']> {
  return read(LIST_METADATA, bytes);
}

/** Who an object is of which there is only the beginning; nothing where it is written in another way. */
export function readProtobufHead(beginning: Buffer): ObjectHead {
  const object: { metadata?: ObjectHead } = {};
  try {
    fill(object, METADATA_ALONE, new BinaryReader(beginning, utf8), beginning.length);
  } catch {
    // Where the beginning ends.
  }
  const { namespace, name, uid, resourceVersion } = object.metadata ?? {};
  return { namespace, name, uid, resourceVersion };
}

function read(type: Message, bytes: Buffer): Target {
  const target: Target = {};
  fill(target, type, new BinaryReader(bytes, utf8), bytes.length);
  return target;
}

function fill(target: object, type: Message, reader: BinaryReader, end: number): void {
  while (reader.pos < end) {
    const [number, wireType] = reader.tag();
    const known = type[number];
    if (known === undefined) reader.skip(wireType, number);
    else if (known.wireType === wireType) known.read(reader, target as Target, known.name);
    else throw new Error(`field ${number} has wire type ${wireType}`);
  }
  if (reader.pos !== end) throw new RangeError('a message is longer than it says');
}

/** Where the message ends whose length comes next. */
function endOf(reader: BinaryReader): number {
  const length = reader.uint32();
  return reader.pos + length;
}

function listIn(target: Target, name: string): unknown[] {
  target[name] ??= [];
  return target[name] as unknown[];
}

function utf8(bytes: Uint8Array): string {
  return (bytes as Buffer).toString();
}
