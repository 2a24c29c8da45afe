// Equal values kept once: tens of thousands of pods name the same nodes, namespaces and owners, and each JSON text makes a
// string of its own. Bounded: when it is full it begins anew, which costs memory and nothing else.

export interface SharedValues<T> {
  /** The value kept for `key`; `make` is asked where there is none. */
  of(key: string, make: () => T): T;
}

export function createSharedValues<T>(max: number): SharedValues<T> {
  const values = new Map<string, T>();
  return {
    of(key, make) {
      let value = values.get(key);
      if (value === undefined) {
        if (values.size >= max) values.clear();
        value = make();
        values.set(key, value);
      }
      return value;
    },
  };
}
