// The format of the pricing configuration, once: validation, types and the published JSON Schema all come from here. What a schema
// cannot say (a network named twice, two rules for one address) is check.ts's. docs/pricing.md explains it to people.
import { z } from 'zod';
import { type Parsed, parsePrefix } from '../../document/address.ts';
import { selector, usd, word } from '../book/format.ts';
import { DIRECTIONS, PRICED_CLASSES, RELATIONS } from '../book/words.ts';

const name = z.string().min(1);
const prefixes = z
  .array(textThat((text) => parsePrefix(text, true)))
  .min(1)
  .describe('Addresses or prefixes in CIDR form.');
const names = (what: string) =>
  z.array(name).min(1).optional().describe(`${what}; "prefix*" for all that begin so. Absent: any.`);

const place = {
  provider: name.optional().describe('The cloud that bills: aws, gcp, azure, or the provider of an own price book.'),
  region: name.optional().describe('Region as the provider names it.'),
  zone: name.optional().describe('Availability zone as the provider names it; needs a region.'),
  zoneId: name.optional().describe('Id of the zone, the same in all accounts, where the provider has such: use1-az1.'),
};

const accountSchema = z
  .strictObject({
    name: name.describe('Name of the account, subscription or project; each once.'),
    clusters: z
      .array(name)
      .optional()
      .describe('Clusters in it, as in the store. A cluster that no account lists is an account of its own.'),
    zoneIds: z.record(name, name).optional().describe('Ids of its zones by their names: { us-east-1a: use1-az2 }.'),
  })
  .describe('Zone names mean the same only within one account; ids everywhere.');

const networkSchema = z
  .strictObject({
    name: name.describe('Shown as peer_name; each once.'),
    kind: z
      .enum(['own', 'peered', 'on-premises', 'internet'])
      .describe(
        "own: the cluster's own network, outside of the cluster; peered: a network of a cloud that is connected to it; on-premises: one's own machines elsewhere; internet: addresses reached over the internet.",
      ),
    ranges: prefixes,
    ...place,
    account: name.optional().describe("Account whose zone names these are. Default: the cluster's own."),
    via: word
      .optional()
      .describe(
        'What connects it: vpc-peering (default of peered), transit-gateway, vpn, direct-connect, interconnect, … A path of the price book.',
      ),
    destination: word
      .optional()
      .describe(
        'Geography of an internet network, for providers that price by it: china, australia, … A value of the switch "destination".',
      ),
  })
  .describe('What addresses outside of the cluster belong to. The longest prefix counts.');

const switchValues = z.record(word, word);

const pathRuleSchema = z
  .strictObject({
    name: name.describe('Shown by flowtoll explain; each once.'),
    path: word.describe('What lies between: nat-gateway, load-balancer, gateway-endpoint, interface-endpoint, …'),
    from: z
      .strictObject({
        providers: names('Providers of the local side'),
        regions: names('Regions of the local side'),
        zones: names('Zones of the local side, names or ids'),
        nodes: names('Names of nodes'),
        subnets: prefixes.optional().describe('Addresses of the local side.'),
      })
      .optional()
      .describe('Which local sides; absent: all. All that is given must fit.'),
    to: z
      .strictObject({
        classes: z
          .array(z.enum(PRICED_CLASSES))
          .min(1)
          .optional()
          .describe('Traffic classes. Absent: any that leaves the own network.'),
        services: names("Provider's services, as address ranges name them: S3, DYNAMODB, Storage"),
        networks: names('Networks of this file'),
        ranges: prefixes.optional().describe('Addresses of the peer.'),
        kubernetesServices: names('Services of the cluster that the flow went through, as namespace/name'),
        peerKinds: z
          .array(z.enum(['pod', 'node', 'service', 'provider-service', 'private', 'internet']))
          .min(1)
          .optional(),
      })
      .optional()
      .describe('Which peers; absent: all. All that is given must fit.'),
    family: z
      .enum(['ipv4', 'ipv6', 'any'])
      .optional()
      .describe('Address family of the peer. Default: ipv4 for nat-gateway, any otherwise.'),
    zone: name
      .optional()
      .describe(
        "Zone of the gateway, name or id. Default: the node's own. Another zone adds a cross-zone byte each way.",
      ),
    switches: switchValues
      .optional()
      .describe('Values of switches for this traffic, such as { load-balancer: network }.'),
  })
  .describe('What lies on the way. The first rule that fits counts.');

const discountSchema = z
  .strictObject({
    percent: z
      .string()
      .regex(/^(100|[1-9]?\d)(\.\d{1,6})?$/, 'A percentage is text from "0" to "100", at most 6 places')
      .describe('Off the list price.'),
    provider: name.optional().describe('Absent: every provider.'),
    classes: z
      .array(z.enum(PRICED_CLASSES))
      .min(1)
      .optional()
      .describe('Transfer of these classes only; absent: all transfer and all processing.'),
    regions: selector.optional().describe('Regions of the side that pays; absent: all.'),
    until: z.iso.date().optional().describe('First day (UTC) on which it does not hold any more.'),
    note: z.string().optional(),
  })
  .describe(
    'Off list prices. The one that says most counts (classes, then regions, then provider); discounts do not add up.',
  );

const privateAmount = {
  provider: name,
  relations: z.array(z.enum(RELATIONS)).min(1).optional(),
  services: z.array(name).min(1).optional(),
  paths: z.array(word).min(1).optional().describe('Absent: whatever lies between. Required for processing.'),
  directions: z.array(z.enum(DIRECTIONS)).min(1),
  regions: selector.optional(),
  peerRegions: selector.optional(),
  usdPerUnit: usd,
  unitBytes: z.int().positive().describe('Bytes in one unit: 1000000000 for a GB, 1073741824 for a GiB.'),
  from: z.iso.date().optional().describe('First day (UTC).'),
  until: z.iso.date().optional().describe('First day (UTC) on which it does not hold any more.'),
  note: z.string().optional(),
};

const privateRateSchema = z
  .union([
    z.strictObject({ class: z.enum(PRICED_CLASSES), ...privateAmount }),
    z.strictObject({ processing: z.literal(true), ...privateAmount }),
  ])
  .describe(
    'A negotiated rate. Goes before any list price, and no discount touches it. The first one that fits counts.',
  );

const monthlyAmountSchema = z
  .strictObject({
    provider: name,
    class: z.enum(PRICED_CLASSES).optional().describe('Absent: any class.'),
    paths: z.array(word).min(1).optional().describe('For processing on these paths instead.'),
    regions: selector.optional(),
    units: z
      .number()
      .nonnegative()
      .describe('Units a month, as the price book counts them: rows are priced in the tier of this amount.'),
  })
  .describe('Which tier rows are priced in. Without an entry: the first tier whose rate is not zero.');

/** Format of the pricing configuration. */
export const pricingConfigSchema = z
  .strictObject({
    version: z.literal(1).describe('Version of this format.'),
    books: z
      .array(name)
      .optional()
      .describe(
        'Price book files, beside the built-in ones; a provider that has one here has no built-in one. Relative to this file.',
      ),
    accounts: z.array(accountSchema).optional(),
    networks: z.array(networkSchema).optional(),
    paths: z.array(pathRuleSchema).optional(),
    discounts: z.array(discountSchema).optional(),
    privateRates: z.array(privateRateSchema).optional(),
    monthlyAmounts: z.array(monthlyAmountSchema).optional(),
    switches: z
      .record(name, switchValues)
      .optional()
      .describe('Values of the switches of price books by provider: { gcp: { network-tier: standard } }.'),
    overlayHeaderBytes: z
      .int()
      .min(0)
      .max(1000)
      .optional()
      .describe(
        'Bytes that an overlay network adds to each packet between pods of different nodes (VXLAN: 50, Geneve: 50 and more, WireGuard: 60 and more); in costs only. Default: 0.',
      ),
    charge: z
      .strictObject({
        gatewaySide: z
          .boolean()
          .optional()
          .describe("Whether a gateway's own side of the way to another zone is charged to the row, too. Default: no."),
        readsFrom: z
          .array(name)
          .min(1)
          .optional()
          .describe(
            "Services in other regions whose sending is one's own bill (an own bucket): what is received from them is charged at their region's rate.",
          ),
      })
      .optional()
      .describe('What is billed on sides without an agent. Default: none of it is in the costs of rows.'),
  })
  .describe('Flowtoll pricing configuration: what the price of a flow depends on and no packet shows.');

export type PricingConfig = z.infer<typeof pricingConfigSchema>;
export type NetworkEntry = z.infer<typeof networkSchema>;
export type PathRule = z.infer<typeof pathRuleSchema>;
export type Discount = z.infer<typeof discountSchema>;
export type PrivateRate = z.infer<typeof privateRateSchema>;
export type MonthlyAmount = z.infer<typeof monthlyAmountSchema>;

/** Text with a syntax that a JSON Schema cannot say; its own message says what to do. */
function textThat(parse: (text: string) => Parsed<unknown>) {
  return z.string().superRefine((text, context) => {
    const parsed = parse(text);
    if ('problem' in parsed) context.addIssue({ code: 'custom', message: parsed.problem });
  });
}

/** JSON Schema of the configuration, as committed in docs/pricing.schema.json. */
export function pricingConfigJsonSchema(): Record<string, unknown> {
  return { title: 'Flowtoll pricing configuration', ...z.toJSONSchema(pricingConfigSchema) };
}
