// What class and price of rows cost, in a process of its own: the rows of many agents, priced again and again, once for each line of
// input. "configured": with rules, networks and discounts in force.
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { defaultPricing, parsePricing } from '@flowtoll/aggregator/pricing/config/read.ts';
import { createPricing } from '@flowtoll/aggregator/pricing/pricing.ts';
import { takeRows } from './floor-rows.ts';

/** CPU of one pass over all rows, µs. */
export interface PricingCost {
  readonly rows: number;
  readonly cpuUs: number;
}

const CONFIGURED = `
version: 1
networks:
  - { name: data, kind: peered, ranges: [10.200.0.0/16], provider: aws, region: us-east-1 }
  - { name: office, kind: on-premises, ranges: [192.168.0.0/16], via: vpn }
paths:
  - { name: buckets, path: gateway-endpoint, to: { services: [S3, DYNAMODB] } }
  - { name: egress, path: nat-gateway, from: { subnets: [10.0.0.0/8] }, to: { classes: [internet, provider-service] } }
discounts: [{ percent: "12.5", provider: aws, classes: [internet] }]
overlayHeaderBytes: 50
`;

const { values } = parseArgs({
  options: { topology: { type: 'string' }, batches: { type: 'string' }, flows: { type: 'string' } },
});

const rows = takeRows(values.topology!, values.batches!, Number(values.flows));
const engines = {
  listed: createPricing(defaultPricing()),
  configured: createPricing(parsePricing(CONFIGURED, 'bench', () => undefined as never)),
};

for await (const line of createInterface({ input: process.stdin })) {
  const { price } = engines[line as keyof typeof engines];
  const before = process.cpuUsage();
  for (const row of rows) price(row);
  const { user, system } = process.cpuUsage(before);
  process.stdout.write(`${JSON.stringify({ rows: rows.length, cpuUs: user + system } satisfies PricingCost)}\n`);
}
