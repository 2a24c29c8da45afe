// Netlink framing (include/uapi/linux/netlink.h, linux/netfilter/nfnetlink.h). Headers are in host byte order; we run on
// little-endian machines only and check that at start.

/** struct nlmsghdr: u32 length, u16 type, u16 flags, u32 sequence, u32 port. */
export const NLMSG_HEADER_BYTES = 16;
/** struct nfgenmsg: u8 family, u8 version, be16 resource id. */
export const NFGENMSG_BYTES = 4;
/** struct nlattr: u16 length including itself, u16 type. */
export const NLA_HEADER_BYTES = 4;

export const NLMSG_NOOP = 1;
export const NLMSG_ERROR = 2;
export const NLMSG_DONE = 3;
export const NLMSG_OVERRUN = 4;

export const NLM_F_REQUEST = 0x1;
export const NLM_F_DUMP = 0x300;

/** Masks NLA_F_NESTED and NLA_F_NET_BYTEORDER off an attribute's type. */
export const NLA_TYPE_MASK = 0x3fff;

/** Throws on machines whose byte order this code does not speak. */
export function requireLittleEndian(): void {
  if (new Uint8Array(new Uint16Array([1]).buffer)[0] !== 1) {
    throw new Error('flowtoll-agent runs on little-endian machines only');
  }
}
