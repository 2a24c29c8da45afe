// The calculator: rows priced as the pipeline prices them, and the months that they make. Pure.
import type { PicoUsd } from '../model/flow-row.ts';
import type { PricingConfig } from '../pricing/config/format.ts';
import { createPricing, type Pricing } from '../pricing/pricing.ts';
import { settle, type Usage } from '../pricing/settle.ts';
import { countedOf, usageOf } from '../pricing/usage.ts';
import { type ExplainedRow, explainRow } from './explained-row.ts';
import { OWN_RULE, type ReadFlow, type ReadInput } from './read-price-input.ts';
import type { MonthlyStatement } from './statement-output.ts';

/** A flow with its price. */
export interface CalculatedFlow extends ExplainedRow {
  readonly flow: ReadFlow;
  /** The path that the flow names, where it cannot lie between the two: a NAT gateway inside the own network, or for IPv6. */
  readonly ignoredPath: string | null;
}

/** A month: its bill, and what its rows say. */
export interface CalculatedMonth extends MonthlyStatement {
  /** Sum of the costs of all rows that have one, in the tier of rows. */
  readonly rowsTotal: PicoUsd;
  /** Names of flows whose bytes have no rate, or a cost that cannot be stored. */
  readonly incomplete: readonly string[];
}

export interface Calculation {
  readonly flows: readonly CalculatedFlow[];
  /** Ascending; those that have flows. */
  readonly months: readonly CalculatedMonth[];
}

export function calculate(input: ReadInput): Calculation {
  const pricingOf = createPricings(input);
  const flows = input.flows.map((flow) => priced(flow, pricingOf(flow), input));
  const prior = input.soFar.map((flow) => ({ flow, usage: usageOfFlow(flow, pricingOf(flow), true) }));
  const byMonth = Map.groupBy(flows, ({ flow }) => monthOf(flow));
  const months = [...byMonth]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([month, own]): CalculatedMonth => {
      const earlier = inOrder(prior.filter(({ flow }) => monthOf(flow) === month)).flatMap(({ usage }) => usage);
      const usage = inOrder(own).flatMap(({ flow }) => usageOfFlow(flow, pricingOf(flow), false));
      return {
        month,
        statement: settle([...earlier, ...usage]),
        rowsTotal: own.reduce((sum, { flow, row }) => sum + BigInt(flow.times) * knownCost(row), 0n),
        incomplete: own.filter(({ row }) => isIncomplete(row)).map(({ flow }) => flow.name),
      };
    });
  return { flows, months };
}

/** One for each configuration: most flows have no path of their own. */
function createPricings({ books, inClusterRanges }: ReadInput): (flow: ReadFlow) => Pricing {
  const known = new Map<string, Pricing>();
  return ({ config }) => {
    const key = JSON.stringify(config);
    const pricing = known.get(key) ?? createPricing({ books, config, inClusterRanges });
    known.set(key, pricing);
    return pricing;
  };
}

function priced(flow: ReadFlow, pricing: Pricing, { books }: ReadInput): CalculatedFlow {
  const explained = explainRow(flow.row, pricing, { config: flow.config, books });
  const isTaken = flow.ownPath === null || explained.decision.rule?.name === OWN_RULE;
  return { ...explained, flow, ignoredPath: isTaken ? null : flow.ownPath };
}

function usageOfFlow(flow: ReadFlow, pricing: Pricing, isPrior: boolean): Usage[] {
  const times = BigInt(flow.times);
  const { txBytes, txPackets, rxBytes, rxPackets } = countedOf(flow.row);
  const counted = {
    txBytes: txBytes * times,
    txPackets: txPackets * times,
    rxBytes: rxBytes * times,
    rxPackets: rxPackets * times,
  };
  const usage = usageOf(flow.row.provider, pricing.decision(flow.row), counted, headerBytesOf(flow.config));
  return isPrior ? usage.map((item) => ({ ...item, isPrior })) : usage;
}

function headerBytesOf({ overlayHeaderBytes = 0 }: PricingConfig): number {
  return overlayHeaderBytes;
}

/** By day; within one, as the document has them. */
function inOrder<T extends { readonly flow: ReadFlow }>(items: readonly T[]): T[] {
  return items.toSorted((a, b) => a.flow.row.windowStartUs - b.flow.row.windowStartUs);
}

/** "2026-11" */
function monthOf({ date }: ReadFlow): string {
  return date.slice(0, 7);
}

function knownCost({ txCost, rxCost, processingCost }: CalculatedFlow['row']): PicoUsd {
  return (txCost ?? 0n) + (rxCost ?? 0n) + (processingCost ?? 0n);
}

function isIncomplete({ txCost, rxCost, processingCost }: CalculatedFlow['row']): boolean {
  return txCost === null || rxCost === null || processingCost === null;
}
