// The format of what `flowtoll price` reads, once: validation, types and the published JSON Schema all come from here. What a schema
// cannot say (a network that nobody configured, a service without a provider's side) is read-price-input.ts's. docs/calculator.md
// explains it to people.
import { z } from 'zod';
import { parsePrefix } from '../document/address.ts';
import { word } from '../pricing/book/format.ts';
import { pricingConfigSchema } from '../pricing/config/format.ts';
import { BYTES_MAX, parseByteCount } from './byte-count.ts';

const name = z.string().min(1);

const address = z
  .string()
  .superRefine((text, context) => {
    const parsed = parsePrefix(text, true);
    if ('problem' in parsed) context.addIssue({ code: 'custom', message: parsed.problem });
  })
  .describe('An address or a prefix.');

const bytes = z
  .union(
    [
      z.int().min(0).max(BYTES_MAX),
      z.string().superRefine((text, context) => {
        const parsed = parseByteCount(text);
        if ('problem' in parsed) context.addIssue({ code: 'custom', message: parsed.problem });
      }),
    ],
    { error: ({ input }) => bytesProblem(input) },
  )
  .describe('A whole number of bytes, or text with a unit: "1.5 GiB" (2^30), "100 GB" (10^9).');

const packets = z.int().min(0).optional().describe('For what an overlay adds to each packet. Default: 0.');

const place = {
  provider: name.optional().describe('The cloud that bills: aws, gcp, azure, or the provider of an own price book.'),
  region: name.optional().describe('Region as the provider names it.'),
  zone: name.optional().describe('Availability zone as the provider names it; needs a region.'),
  zoneId: name.optional().describe('Id of the zone, the same in all accounts: use1-az1. Needs a region.'),
};

const localSchema = z
  .strictObject({
    kind: z.enum(['pod', 'node']).optional().describe('Default: pod.'),
    ...place,
    node: name.optional().describe('Name of its node, for rules that name nodes, and for traffic within one node.'),
    cluster: name.optional().describe('Its cluster, for accounts. Default: "cluster".'),
    ip: address.optional().describe('Default: a private IPv4 address that is in no range of the configuration.'),
  })
  .describe('The side that pays: a machine with an agent.');

const peerSchema = z
  .strictObject({
    kind: z.enum(['pod', 'node', 'service', 'provider-service', 'private', 'internet']),
    ...place,
    node: name.optional().describe('Name of its node; that of the local side: both are on one node.'),
    cluster: name.optional().describe('Its cluster. Default: the one of the local side, unless it is in a network.'),
    ip: address
      .optional()
      .describe(
        'Default: for pods, nodes and services a private IPv4 address that is in no range of the configuration; none for others.',
      ),
    network: name
      .optional()
      .describe('Name of a configured network that it is in, in place of an address; gives its place, too.'),
    service: name.optional().describe('For provider-service: the service as address ranges name it, such as S3.'),
    destination: word
      .optional()
      .describe('Geography, for providers that price by it; a value of the switch "destination" of the price book.'),
  })
  .describe('The other side.');

const switches = z.record(word, word).optional();

const pathSchema = z
  .union(
    [
      word,
      z.strictObject({
        path: word.describe('What lies between: nat-gateway, load-balancer, …'),
        zone: name.optional().describe("Zone of the gateway, name or id. Default: the node's own."),
        switches: switches.describe('Values of switches: { load-balancer: network }.'),
      }),
    ],
    { error: 'Give a path word such as nat-gateway, or { path, zone, switches }; nothing else' },
  )
  .describe(
    'What lies between, as a rule of the configuration would say it, for this traffic alone. Goes before all rules.',
  );

const trafficSchema = z.strictObject({
  name: name.optional().describe('Shown in results.'),
  date: z.iso.date().optional().describe('Day (UTC). Default: the date of the document.'),
  local: localSchema,
  peer: peerSchema,
  path: pathSchema.optional(),
  switches: switches.describe("Values of the switches of the price book of the local side's provider, for this alone."),
  protocol: word.optional().describe('tcp, udp, esp, …; for tunnels between nodes. Default: tcp.'),
  port: z.int().min(0).max(65_535).optional().describe('Port of the responder. Default: 443.'),
  kubernetesService: name.optional().describe('Service of the cluster that it went through: namespace/name.'),
  txBytes: bytes.optional().describe('Sent by the local side; see docs/calculator.md for units. Default: 0.'),
  rxBytes: bytes.optional().describe('Received by the local side. Default: 0.'),
  txPackets: packets,
  rxPackets: packets,
  times: z.int().min(1).max(1_000_000_000).optional().describe('How many such rows there are. Default: 1.'),
});

/** Format of the calculator's input. */
export const priceInputSchema = z
  .strictObject({
    version: z.literal(1).describe('Version of this format.'),
    date: z.iso.date().optional().describe('Day (UTC) of everything that has none of its own.'),
    pricing: pricingConfigSchema.optional().describe('Pricing configuration; books relative to this file.'),
    pricingFile: name.optional().describe('A file with it instead, relative to this file.'),
    books: z
      .array(name)
      .optional()
      .describe('More price book files, relative to this file; a provider that has one has no built-in one.'),
    clusterRanges: z
      .array(address)
      .optional()
      .describe('Ranges that the cluster uses as private ones although they look public.'),
    soFar: z
      .array(trafficSchema)
      .optional()
      .describe('What was billed this month before: counts for tiers and free amounts only.'),
    flows: z
      .array(trafficSchema.extend({ loss: word.optional().describe('Reason of a loss: bytes that no flow has.') }))
      .min(1),
  })
  .describe('Input of flowtoll price: traffic, and what its price depends on.');

export type PriceInput = z.infer<typeof priceInputSchema>;
export type InputFlow = PriceInput['flows'][number];

function bytesProblem(input: unknown): string {
  if (typeof input === 'string') {
    const parsed = parseByteCount(input);
    if ('problem' in parsed) return parsed.problem;
  }
  return `${JSON.stringify(input)} is no count of bytes; give a whole number up to ${BYTES_MAX}, or text such as "1.5 GiB"`;
}

/** JSON Schema of the input, as committed in docs/price-input.schema.json. */
export function priceInputJsonSchema(): Record<string, unknown> {
  return { title: 'Flowtoll price input', ...z.toJSONSchema(priceInputSchema) };
}
