// IPv4 addresses as numbers and as text. Pure.

/** Dotted decimal. */
export function ipText(address: number): string {
  return `${address >>> 24}.${(address >>> 16) & 255}.${(address >>> 8) & 255}.${address & 255}`;
}
