// IANA protocol numbers (include/uapi/linux/in.h) whose tuples hold ports in conntrack.

const IPPROTO_TCP = 6;
const IPPROTO_UDP = 17;
const IPPROTO_DCCP = 33;
const IPPROTO_SCTP = 132;
const IPPROTO_UDPLITE = 136;

/** Whether a protocol's tuple holds ports. conntrack keeps ICMP's identifiers and GRE's keys there, too: they are none. */
export function protocolHasPorts(protocol: number): boolean {
  return (
    protocol === IPPROTO_TCP ||
    protocol === IPPROTO_UDP ||
    protocol === IPPROTO_SCTP ||
    protocol === IPPROTO_DCCP ||
    protocol === IPPROTO_UDPLITE
  );
}
