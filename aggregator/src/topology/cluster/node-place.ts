// Where a node is, from its provider id and its labels. The provider id goes before labels where it says a place: the cloud wrote
// it, and nobody can change it. Pure. What each cloud writes: docs/names.md.
import type { NodeObject } from '../../model/cluster-objects.ts';
import { isAwsZoneId, type SaidPlace } from '../zone-names.ts';

/** Schemes of provider ids, by the word that prices know. Others are kept as they are. */
const PROVIDERS: Readonly<Record<string, string>> = { aws: 'aws', gce: 'gcp', azure: 'azure' };

/** Clusters on one's own machines: no cloud bills their traffic. */
const NO_CLOUD = new Set(['kind', 'k3s', 'minikube', 'kwok', 'k0s', 'rke2', 'vagrant', 'baremetal', 'metal3']);

/** Zones, Local Zones ("us-west-2-lax-1a") and Wavelength zones ("us-east-1-wl1-bos-wlz-1") begin with their region. */
const AWS_ZONE = /^([a-z]{2}(?:-[a-z]+)+-\d+)(?:[a-z]|-[a-z0-9-]+)$/;
const GCP_ZONE = /^([a-z]+(?:-[a-z]+)*\d+)-[a-z]+$/;

type Labels = Readonly<Record<string, string>>;

export function placeOfNode({ providerId, labels }: Pick<NodeObject, 'providerId' | 'labels'>): SaidPlace {
  const [scheme = '', rest = ''] = (providerId ?? '').split('://');
  const provider = NO_CLOUD.has(scheme) || scheme === '' ? providerOfLabels(labels) : (PROVIDERS[scheme] ?? scheme);
  switch (provider) {
    case 'aws':
      return awsPlace(rest.split('/')[1] ?? '', labels);
    case 'gcp':
      return gcpPlace(rest.split('/')[1] ?? '', labels);
    case 'azure':
      return azurePlace(labels);
    default:
      return { provider, region: regionLabel(labels), zone: zoneLabel(labels), zoneId: null };
  }
}

/** Labels that only one cloud sets, for nodes whose provider id is not there yet or empty. */
function providerOfLabels(labels: Labels): string | null {
  if (labels['topology.k8s.aws/zone-id'] !== undefined) return 'aws';
  const keys = Object.keys(labels);
  if (keys.some((key) => key.startsWith('eks.amazonaws.com/') || key === 'k8s.io/cloud-provider-aws')) return 'aws';
  if (keys.some((key) => key.startsWith('cloud.google.com/gke-'))) return 'gcp';
  if (keys.some((key) => key.startsWith('kubernetes.azure.com/'))) return 'azure';
  return null;
}

/** `aws:///us-east-1a/i-0abc`; without a zone `aws:///i-0abc`; some managed nodes have the zone's id there. */
function awsPlace(segment: string, labels: Labels): SaidPlace {
  const label = zoneLabel(labels);
  const zone = [segment, label].find((text) => text !== null && AWS_ZONE.test(text)) ?? null;
  const ids = [labels['topology.k8s.aws/zone-id'], segment, label];
  const zoneId = ids.find((text) => text !== undefined && text !== null && isAwsZoneId(text)) ?? null;
  const region = (zone === null ? undefined : AWS_ZONE.exec(zone)?.[1]) ?? regionLabel(labels);
  return { provider: 'aws', region, zone, zoneId };
}

/** `gce://project/us-central1-a/name`. */
function gcpPlace(segment: string, labels: Labels): SaidPlace {
  const zone = [segment, zoneLabel(labels)].find((text) => text !== null && GCP_ZONE.test(text)) ?? null;
  const region = (zone === null ? undefined : GCP_ZONE.exec(zone)?.[1]) ?? regionLabel(labels);
  return { provider: 'gcp', region, zone, zoneId: null };
}

/** Azure's provider id says no place. Where a region has no zones, or the node is in none, the label is a fault domain: "0". */
function azurePlace(labels: Labels): SaidPlace {
  const region = regionLabel(labels);
  const label = zoneLabel(labels);
  const zone = label !== null && region !== null && label.startsWith(`${region}-`) ? label : null;
  return { provider: 'azure', region, zone, zoneId: null };
}

function regionLabel(labels: Labels): string | null {
  return labels['topology.kubernetes.io/region'] || labels['failure-domain.beta.kubernetes.io/region'] || null;
}

function zoneLabel(labels: Labels): string | null {
  return labels['topology.kubernetes.io/zone'] || labels['failure-domain.beta.kubernetes.io/zone'] || null;
}
