// All bills worked by hand: every class, provider, direction and path that the facts have, and worked examples of others.
import { AWS_BILLS } from './aws-bills.ts';
import { AZURE_BILLS } from './azure-bills.ts';
import { GOOGLE_BILLS } from './google-bills.ts';
import type { HandWorkedBill } from './hand-worked-bill.ts';
import { PATH_BILLS } from './path-bills.ts';

export const HAND_WORKED_BILLS: readonly HandWorkedBill[] = [
  ...AWS_BILLS,
  ...GOOGLE_BILLS,
  ...AZURE_BILLS,
  ...PATH_BILLS,
];
