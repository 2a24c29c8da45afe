// Where something listens, as people write it: "127.0.0.1:9464". Pure text.

/** Where to listen. */
export interface ListenAddress {
  /** Name, IPv4 address, or IPv6 address without brackets. */
  readonly host: string;
  readonly port: number;
}

/** What `parseListenAddress` takes, for messages. */
export const LISTEN_ADDRESS_FORM =
  'host:port, like 127.0.0.1:4460, [::1]:4460 or :4460 (all addresses); port 0 lets the system choose';

/** "127.0.0.1:4460", "[::1]:4460", "localhost:0", ":4460" (all addresses); undefined when it is none. */
export function parseListenAddress(text: string): ListenAddress | undefined {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([^:[\]\s]*)):(\d{1,5})$/.exec(text.trim());
  const port = match === null ? Number.NaN : Number(match[3]);
  if (match === null || !(port <= 65_535)) return undefined;
  return { host: match[1] ?? (match[2] === '' ? '::' : match[2]!), port };
}
