// Where the product says something else than a bill worked by hand, and why. Each is a question that somebody has to decide: a book that
// says more or less than the facts, or something that the product cannot be told. A difference that is gone fails its test.
import type { HandWorkedBill } from './hand-worked-bill.ts';

export interface OpenDifference {
  /** Name of the bill. */
  readonly bill: string;
  readonly why: string;
  /** What the product says instead; the rest is as the bill has it. */
  readonly says?: Partial<HandWorkedBill['expect']>;
  /** What the input is refused with. */
  readonly isRefused?: RegExp;
}

const INTERNET_IF_NO_REGION =
  'The book takes a service without a region as internet, and says so in the basis; the bill has no rate at all.';
const SERVICE_WORD =
  'Address ranges know SQS and ECR as AMAZON only, which the book takes as free with basis estimated; their own words it does not have.';

export const OPEN_DIFFERENCES: readonly OpenDifference[] = [
  {
    bill: 'a peered VPC in another region pays by the pair',
    why: 'The book has the pair of regions as an exact rate of a peering; no source names peering between regions.',
    says: { basis: 'exact' },
  },
  {
    bill: '1 GB through two peered transit gateways to another region',
    why: 'As for a peering between regions: exact in the book.',
    says: { basis: 'exact' },
  },
  {
    bill: 'on-premises through a transit gateway: known processing, unknown transfer',
    why: 'The book has no rate for what comes from on-premises by a transit gateway; into AWS is free.',
    says: { rxCost: null },
  },
  {
    bill: 'on-premises through a VPN: out has no rate, in is free',
    why: 'The book takes what a VPN sends as internet, and has no processing for path vpn, so that it is unknown.',
    says: { path: 'vpn', txCost: '0.651925802166', processingCost: null },
  },
  {
    bill: 'on-premises, only received: a known zero',
    why: 'No book knows direct-connect.',
    isRefused: /networks\[0\]\.via: no price book has a rate for "direct-connect"/,
  },
  { bill: 'SQS of the region through an interface endpoint', why: SERVICE_WORD, says: { basis: 'estimated' } },
  { bill: 'interface endpoints, one byte over the first petabyte', why: SERVICE_WORD, says: { basis: 'estimated' } },
  {
    bill: 'ECR of the region, directly',
    why: SERVICE_WORD,
    says: { txCost: '0.009313225811', rxCost: '25.315972310109', basis: 'estimated' },
  },
  {
    bill: 'a service without a region has no price out',
    why: INTERNET_IF_NO_REGION,
    says: { txCost: '0.651925802166', basis: 'estimated' },
  },
  {
    bill: 'Google: a peered VPC whose zone is not known',
    why: 'The book has no rate for what is received in a peered network whose zone is not known; only the sender pays.',
    says: { rxCost: null },
  },
  {
    bill: 'Google: Cloud NAT serves a region: another zone changes nothing',
    why: 'The book has no rate between zones for path nat-gateway, so that the way to a gateway in another zone costs.',
    says: { txCost: '0.941670603128', month: { usd: '2.464259775514', lines: [] } },
  },
  {
    bill: 'Google: a Google service whose region no range file tells',
    why: INTERNET_IF_NO_REGION,
    says: { txCost: '0.869234402888', basis: 'disputed' },
  },
  {
    bill: 'Azure: a fault domain is no zone',
    why: 'Fault domains are taken for no zone where labels of nodes are read; here a zone is what it is called.',
    says: { class: 'same-zone', basis: 'exact' },
  },
  {
    bill: 'Azure: inbound from China has a meter without a figure',
    why: 'The book of Azure has no switch for the other side’s geography.',
    isRefused: /flows\[0\]\.peer\.destination: is no switch of the price book/,
  },
  {
    bill: 'Azure: a service without a region has no price out',
    why: INTERNET_IF_NO_REGION,
    says: { txCost: '0.676666666599', basis: 'disputed' },
  },
  {
    bill: 'Azure: on-premises through a VPN: out has no rate, in is free',
    why: 'The book knows no VPN: nothing on this way has a rate.',
    says: { path: 'vpn', rxCost: null, processingCost: null },
  },
];
