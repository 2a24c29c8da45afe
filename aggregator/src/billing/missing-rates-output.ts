// Bytes without a price as lines for people and as cells of a JSON document. Decides looks only.
import type { Cell } from '../query/cell.ts';
import { type Line, shareText } from '../query/report-words.ts';
import { printable } from '../query/text-table.ts';
import { bytesText, countText, percent } from '../query/units.ts';
import type { MissingRate } from './missing-rates.ts';

/** Lines shown; JSON has all. */
const SHOWN_MAX = 10;

/** @param bytes all that these are a part of */
export function missingRateLines(rates: readonly MissingRate[], bytes: bigint): Line[] {
  const rest = rates.slice(SHOWN_MAX);
  const line = (what: string, txBytes: bigint, rxBytes: bigint): Line => {
    const parts = [
      ...(txBytes > 0n ? [`${bytesText(txBytes)} sent`] : []),
      ...(rxBytes > 0n ? [`${bytesText(rxBytes)} received`] : []),
    ];
    return [what, `${parts.join(', ')}${shareText(txBytes + rxBytes, bytes)}`];
  };
  const sum = (of: (rate: MissingRate) => bigint) => rest.reduce((total, rate) => total + of(rate), 0n);
  return [
    ...rates.slice(0, SHOWN_MAX).map(({ what, txBytes, rxBytes }) => line(printable(what), txBytes, rxBytes)),
    ...(rest.length === 0
      ? []
      : [
          line(
            `… ${countText(BigInt(rest.length))} more`,
            sum(({ txBytes }) => txBytes),
            sum(({ rxBytes }) => rxBytes),
          ),
        ]),
  ];
}

/** @param bytes all that these are a part of */
export function missingRateCells(rates: readonly MissingRate[], bytes: bigint): Cell[] {
  return rates.map(({ what, txBytes, rxBytes }) => ({
    what,
    tx_bytes: txBytes,
    rx_bytes: rxBytes,
    percent: percent(txBytes + rxBytes, bytes),
  }));
}
