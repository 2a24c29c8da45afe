// Provider ids and labels as the clouds write them.
import { describe, expect, test } from 'vitest';
import { placeOfNode } from './node-place.ts';

const ZONE = 'topology.kubernetes.io/zone';
const REGION = 'topology.kubernetes.io/region';
const ZONE_ID = 'topology.k8s.aws/zone-id';

type Row = [
  what: string,
  providerId: string | null,
  labels: Record<string, string>,
  provider: string | null,
  region: string | null,
  zone: string | null,
  zoneId: string | null,
];

const AZURE_ID =
  'azure:///subscriptions/0f/resourceGroups/rg/providers/Microsoft.Compute/virtualMachineScaleSets/np/virtualMachines/0';

const ROWS: readonly Row[] = [
  ['AWS, by its id alone', 'aws:///us-east-1a/i-0abc', {}, 'aws', 'us-east-1', 'us-east-1a', null],
  [
    'AWS with a zone id',
    'aws:///us-east-1a/i-0abc',
    { [ZONE]: 'us-east-1a', [REGION]: 'us-east-1', [ZONE_ID]: 'use1-az6' },
    ...(['aws', 'us-east-1', 'us-east-1a', 'use1-az6'] as const),
  ],
  [
    'AWS without a zone in the id',
    'aws:///i-0abc',
    { [ZONE]: 'eu-west-1b', [REGION]: 'eu-west-1' },
    ...(['aws', 'eu-west-1', 'eu-west-1b', null] as const),
  ],
  [
    'AWS with the zone’s id in the id',
    'aws:///usw2-az1/sagemaker/cluster/hyperpod-x',
    { [REGION]: 'us-west-2' },
    ...(['aws', 'us-west-2', null, 'usw2-az1'] as const),
  ],
  [
    'an AWS Local Zone with its id',
    'aws:///us-west-2-lax-1a/i-0abc',
    { [ZONE_ID]: 'usw2-lax1-az1' },
    ...(['aws', 'us-west-2', 'us-west-2-lax-1a', 'usw2-lax1-az1'] as const),
  ],
  [
    'a Wavelength zone with its id',
    'aws:///us-east-1-wl1-bos-wlz-1/i-0',
    { [ZONE_ID]: 'use1-wl1-bos-wlz1' },
    ...(['aws', 'us-east-1', 'us-east-1-wl1-bos-wlz-1', 'use1-wl1-bos-wlz1'] as const),
  ],
  ['AWS Fargate', 'aws:///us-west-2b/6dde/fargate-10.0.0.1', {}, 'aws', 'us-west-2', 'us-west-2b', null],
  ['an AWS Local Zone', 'aws:///us-west-2-lax-1a/i-0abc', {}, 'aws', 'us-west-2', 'us-west-2-lax-1a', null],
  ['a Wavelength zone', 'aws:///us-east-1-wl1-bos-wlz-1/i-0', {}, 'aws', 'us-east-1', 'us-east-1-wl1-bos-wlz-1', null],
  ['AWS GovCloud', 'aws:///us-gov-west-1a/i-0abc', {}, 'aws', 'us-gov-west-1', 'us-gov-west-1a', null],
  [
    'AWS, where somebody wrote another label',
    'aws:///us-east-1a/i-0abc',
    { [ZONE]: 'us-east-1b', [REGION]: 'us-east-1' },
    ...(['aws', 'us-east-1', 'us-east-1a', null] as const),
  ],
  ['Google', 'gce://project-1/us-central1-a/gke-pool-1', {}, 'gcp', 'us-central1', 'us-central1-a', null],
  [
    'Google, a longer region',
    'gce://p/northamerica-northeast1-b/x',
    {},
    'gcp',
    'northamerica-northeast1',
    'northamerica-northeast1-b',
    null,
  ],
  [
    'Azure in a zone',
    AZURE_ID,
    { [ZONE]: 'westeurope-1', [REGION]: 'westeurope' },
    ...(['azure', 'westeurope', 'westeurope-1', null] as const),
  ],
  ['Azure in no zone', AZURE_ID, { [ZONE]: '0', [REGION]: 'westus' }, 'azure', 'westus', null, null],
  ['Azure in no zone, fault domain 1', AZURE_ID, { [ZONE]: '1', [REGION]: 'westus' }, 'azure', 'westus', null, null],
  ['Azure without labels', AZURE_ID, {}, 'azure', null, null, null],
  [
    'another cloud, by its labels',
    'digitalocean://1234',
    { [ZONE]: 'fra1-x', [REGION]: 'fra1' },
    ...(['digitalocean', 'fra1', 'fra1-x', null] as const),
  ],
  [
    'old labels',
    'openstack:///1',
    { 'failure-domain.beta.kubernetes.io/zone': 'nova', 'failure-domain.beta.kubernetes.io/region': 'r1' },
    'openstack',
    'r1',
    'nova',
    null,
  ],
  ['kind', 'kind://docker/kind/kind-worker', {}, null, null, null, null],
  ['nothing', null, {}, null, null, null, null],
  ['one’s own machines with labels', null, { [ZONE]: 'rack-7', [REGION]: 'cellar' }, null, 'cellar', 'rack-7', null],
  [
    'no id yet, and a label of AWS',
    null,
    { [ZONE_ID]: 'use1-az1', [ZONE]: 'us-east-1c' },
    ...(['aws', 'us-east-1', 'us-east-1c', 'use1-az1'] as const),
  ],
];

describe('placeOfNode', () => {
  test.each(ROWS)('%s', (_, providerId, labels, provider, region, zone, zoneId) => {
    expect(placeOfNode({ providerId, labels })).toEqual({ provider, region, zone, zoneId });
  });
});
