// The beginning of an object that is too large to be kept → who it is. API servers write an object's type, then its name, uid and version,
// before anything that can be large. Pure; what is written in another way is not known.

/** How much of a large object or event is kept. */
export const HEAD_BYTES = 4096;

export interface ObjectHead {
  /** Of an event of a watch. */
  readonly type?: string | undefined;
  readonly namespace?: string | undefined;
  readonly name?: string | undefined;
  readonly uid?: string | undefined;
  readonly resourceVersion?: string | undefined;
}

const EVENT = /^\{"type":"(\w+)","object":/;
const METADATA = /^\{(?:"(?:kind|apiVersion)":"[^"\\]*",)*"metadata":\{/;
const PLAIN_MEMBER = /"(\w+)":(?:"([^"\\]*)"|\d+),?/y;

/** What can be read of it; nothing where it is written in another way. */
export function readHead(text: string): ObjectHead {
  const event = EVENT.exec(text);
  const object = event === null ? text : text.slice(event[0].length);
  const begin = METADATA.exec(object);
  const members = new Map<string, string>();
  if (begin !== null) {
    PLAIN_MEMBER.lastIndex = begin[0].length;
    for (let member = PLAIN_MEMBER.exec(object); member !== null; member = PLAIN_MEMBER.exec(object)) {
      if (member[2] !== undefined) members.set(member[1]!, member[2]);
    }
  }
  return {
    type: event?.[1],
    namespace: members.get('namespace'),
    name: members.get('name'),
    uid: members.get('uid'),
    resourceVersion: members.get('resourceVersion'),
  };
}
