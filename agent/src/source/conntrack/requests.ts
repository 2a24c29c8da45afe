// Requests to ctnetlink (nlmsghdr + nfgenmsg, no attributes).
import { NFGENMSG_BYTES, NLM_F_DUMP, NLM_F_REQUEST, NLMSG_HEADER_BYTES } from '../../netlink/constants.ts';
import { CT_GET } from './constants.ts';

/** Asks for every entry of every family. Counters are read, not zeroed (GET_CTRZERO loses what does not fit). */
export function encodeDumpRequest(sequence: number): Uint8Array {
  const bytes = new Uint8Array(NLMSG_HEADER_BYTES + NFGENMSG_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, bytes.length, true);
  view.setUint16(4, CT_GET, true);
  view.setUint16(6, NLM_F_REQUEST | NLM_F_DUMP, true);
  view.setUint32(8, sequence, true);
  return bytes;
}
