// One connection that the kernel tracks in several conntrack zones (nft `ct zone`, Open vSwitch): the same packets counted
// by several entries. It counts once: what any of its entries has counted first is accounted, the others find it done.
// Used only where two such entries meet; a host without conntrack zones has an empty table.

/** Most zones that one connection is merged over; beyond it an entry counts on its own. */
const MAX_MEMBERS = 4;
const NONE = -1;

/** Connections with more than one entry. Slots are recycled. */
export class ConnectionTable {
  #members = new Int32Array(0);
  /** Highest counters that any member has shown. */
  originalPackets = new Float64Array(0);
  originalBytes = new Float64Array(0);
  replyPackets = new Float64Array(0);
  replyBytes = new Float64Array(0);
  readonly #free: number[] = [];
  #used = 0;

  /** Connections in the table. */
  get count(): number {
    return this.#used - this.#free.length;
  }

  /** A new connection with one member. */
  create(member: number): number {
    const connection = this.#free.pop() ?? this.#used++;
    if (connection * MAX_MEMBERS === this.#members.length) this.#grow();
    this.#members.fill(NONE, connection * MAX_MEMBERS, (connection + 1) * MAX_MEMBERS);
    this.#members[connection * MAX_MEMBERS] = member;
    return connection;
  }

  /** Whether one of the members satisfies the test. */
  some(connection: number, test: (member: number) => boolean): boolean {
    for (let i = connection * MAX_MEMBERS; i < (connection + 1) * MAX_MEMBERS; i++) {
      const member = this.#members[i]!;
      if (member !== NONE && test(member)) return true;
    }
    return false;
  }

  /** Adds a member; false when there is no room. */
  join(connection: number, member: number): boolean {
    for (let i = connection * MAX_MEMBERS; i < (connection + 1) * MAX_MEMBERS; i++) {
      if (this.#members[i] !== NONE) continue;
      this.#members[i] = member;
      return true;
    }
    return false;
  }

  /** Takes a member out; the last one frees the connection. */
  leave(connection: number, member: number): void {
    let left = 0;
    for (let i = connection * MAX_MEMBERS; i < (connection + 1) * MAX_MEMBERS; i++) {
      if (this.#members[i] === member) this.#members[i] = NONE;
      else if (this.#members[i] !== NONE) left++;
    }
    if (left === 0) this.#free.push(connection);
  }

  #grow(): void {
    const capacity = Math.max(64, (this.#members.length / MAX_MEMBERS) * 2);
    const members = new Int32Array(capacity * MAX_MEMBERS);
    members.set(this.#members);
    this.#members = members;
    const larger = (old: Float64Array) => {
      const copy = new Float64Array(capacity);
      copy.set(old);
      return copy;
    };
    this.originalPackets = larger(this.originalPackets);
    this.originalBytes = larger(this.originalBytes);
    this.replyPackets = larger(this.replyPackets);
    this.replyBytes = larger(this.replyBytes);
  }
}
