// The topology file's format, once: validation, types and the published JSON Schema all come from here. What a schema
// cannot say (an address given twice, a node that does not exist) is in check.ts.
import { z } from 'zod';
import { type Parsed, parseAddress, parsePrefix } from '../document/address.ts';

const name = z.string().min(1);
const port = z.int().min(1).max(65535);
const addresses = z.array(textThat(parseAddress)).describe('Single IPv4 or IPv6 addresses.');
const prefixes = z
  .array(textThat((text) => parsePrefix(text, false)))
  .describe('Prefixes in CIDR form, such as 10.244.0.0/16.');

const place = {
  provider: name.optional().describe('The cloud that bills: aws, gcp, azure. Other words are kept, and not priced.'),
  region: name.optional().describe('Region as the provider names it, such as us-east-1.'),
  zone: name.optional().describe('Availability zone as the provider names it, such as us-east-1a.'),
  zoneId: name.optional().describe('Id of the zone, the same in all accounts of the provider, such as use1-az1.'),
};

/** The ranges of the cluster. */
export const rangesSchema = z
  .strictObject({ pods: prefixes.optional(), services: prefixes.optional(), nodes: prefixes.optional() })
  .describe('What belongs to the cluster, whether anybody has the address or not.');

/** One node. */
export const nodeSchema = z
  .strictObject({
    name: name.describe('As the agent reports it; in Kubernetes metadata.name of the Node.'),
    ...place,
    addresses: addresses
      .min(1)
      .describe(
        'Every address of the node itself, bridges and tunnel ends too; the first of each family is its main one.',
      ),
  })
  .describe('A machine of the cluster.');

/** One pod. */
export const podSchema = z
  .strictObject({
    name,
    namespace: name,
    node: name.describe('Name of the node it runs on.'),
    workload: z
      .strictObject({ kind: name.describe('Deployment, StatefulSet, DaemonSet, …'), name })
      .optional()
      .describe('What owns the pod; the pod itself where absent.'),
    addresses,
    labels: z.record(z.string(), z.string()).optional(),
    hostNetwork: z.boolean().optional().describe("Whether the pod uses its node's addresses. Default: false."),
  })
  .describe('A pod and where it runs.');

/** One service. */
export const serviceSchema = z
  .strictObject({
    name,
    namespace: name,
    addresses: addresses
      .optional()
      .describe('Cluster addresses and load balancer addresses; none for a headless service.'),
    nodePorts: z.array(port).optional().describe('Ports on which every node answers for the service.'),
  })
  .describe('A service address that the nodes translate.');

/** One named outside address or prefix. */
export const externalSchema = z
  .strictObject({
    name,
    addresses: z
      .array(textThat((text) => parsePrefix(text, true)))
      .min(1)
      .describe('Addresses or prefixes; the longest prefix wins.'),
    ...place,
  })
  .describe('A name, and perhaps a place, for addresses outside the cluster.');

/** Where another cluster's addresses are its own. */
export const clusterSchema = z
  .strictObject({
    name: name.describe('Name of the cluster, as in the store.'),
    ranges: prefixes.describe(
      'Where its addresses are its own as seen from here; elsewhere it is not named. Empty: it is never named.',
    ),
  })
  .describe('Another cluster under the same root, whose addresses others have, too.');

/** The whole file. */
export const topologySchema = z
  .strictObject({
    version: z.literal(1).describe('Version of this format.'),
    cluster: name.optional().describe('Name of the cluster.'),
    ranges: rangesSchema.optional(),
    nodes: z
      .array(nodeSchema)
      .min(1)
      .optional()
      .describe('Machines of the cluster. Required, unless Kubernetes says which there are.'),
    pods: z.array(podSchema).optional(),
    services: z.array(serviceSchema).optional(),
    external: z.array(externalSchema).optional(),
    clusters: z
      .array(clusterSchema)
      .optional()
      .describe('Other clusters under the same root. One that is not listed is named where no address is seen twice.'),
  })
  .describe('Flowtoll topology file: nodes, pods, services and names of outside addresses of one cluster.');

export type RangesEntry = z.infer<typeof rangesSchema>;
export type NodeEntry = z.infer<typeof nodeSchema>;
export type PodEntry = z.infer<typeof podSchema>;
export type ServiceEntry = z.infer<typeof serviceSchema>;
export type ExternalEntry = z.infer<typeof externalSchema>;
export type ClusterEntry = z.infer<typeof clusterSchema>;

/** Text with a syntax that a JSON Schema cannot say; its own message says what to do. */
function textThat(parse: (text: string) => Parsed<unknown>) {
  return z.string().superRefine((text, context) => {
    const parsed = parse(text);
    if ('problem' in parsed) {
      context.addIssue({ code: 'custom', message: parsed.problem });
    }
  });
}

/** JSON Schema of the topology file, as committed in docs/topology.schema.json. */
export function topologyJsonSchema(): Record<string, unknown> {
  return { title: 'Flowtoll topology', ...z.toJSONSchema(topologySchema) };
}
