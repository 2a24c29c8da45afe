// What happened in a world, for people: one line an event, random names replaced by short ones in the order in which they
// appear, so that two plays of one seed read alike.

interface Line {
  readonly atMs: number;
  readonly text: string;
  readonly fields: object | undefined;
}

const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g;

export class Trace {
  readonly #lines: Line[] = [];

  add(atMs: number, text: string, fields?: object): void {
    this.#lines.push({ atMs, text, fields });
  }

  /** All lines; `extra` are texts whose names shall be shortened in the same way. */
  render(): string[] {
    const names = new Map<string, string>();
    const shorten = (text: string) =>
      text.replaceAll(UUID, (uuid) => {
        const name = names.get(uuid) ?? `#${names.size + 1}`;
        names.set(uuid, name);
        return name;
      });
    return this.#lines.map(({ atMs, text, fields }) => {
      const shown = fields === undefined ? '' : ` ${JSON.stringify(fields, shownValue)}`;
      return shorten(`${(atMs / 1000).toFixed(3).padStart(9)} ${text}${shown}`);
    });
  }
}

function shownValue(_key: string, value: unknown): unknown {
  return value instanceof Error ? value.message : value;
}
