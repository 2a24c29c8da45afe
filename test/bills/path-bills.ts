// Paths that few know: by each of them every class that a price book has a rate for, sent and received. Data alone; what the fields mean
// and how the figures were worked out: hand-worked-bill.ts.
import { type HandWorkedBill, ZERO } from './hand-worked-bill.ts';

const AWS_POD: HandWorkedBill['local'] = {
  ...{ provider: 'aws', region: 'us-east-1', zone: 'us-east-1a', zoneId: 'use1-az1', kind: 'pod' },
};
const AWS_OTHER_ZONE = { provider: 'aws', region: 'us-east-1', zone: 'us-east-1b', zoneId: 'use1-az2' } as const;
const AWS_SAME_ZONE = { provider: 'aws', region: 'us-east-1', zone: 'us-east-1a', zoneId: 'use1-az1' } as const;
const GOOGLE_POD: HandWorkedBill['local'] = {
  ...{ provider: 'gcp', region: 'us-central1', zone: 'us-central1-a', kind: 'pod' },
};
const AZURE_POD: HandWorkedBill['local'] = { provider: 'azure', region: 'eastus', zone: 'eastus-1', kind: 'pod' };
const INTERNET: HandWorkedBill['peer'] = { kind: 'internet', ip: '93.184.216.34' };
const BYTES = { txBytes: 7_777_777_777, rxBytes: 31_415_926_535 } as const;

export const PATH_BILLS: readonly HandWorkedBill[] = [
  {
    name: 'other zone by resource-endpoint: nothing for the zones',
    local: AWS_POD,
    peer: { kind: 'pod', ...AWS_OTHER_ZONE },
    path: { kind: 'resource-endpoint' },
    ...BYTES,
    expect: {
      class: 'cross-zone',
      path: 'resource-endpoint',
      txCost: ZERO,
      rxCost: ZERO,
      processingCost: '0.365019816086',
      basis: 'estimated',
    },
    arithmetic:
      'tx: other zone by resource-endpoint, 0; rx: the same, 0; processing: 39,193,704,312 B ÷ 2^30 × 0.01 (resource endpoint, both ways) = 0.365019816086. The zero between zones has one third-party source (A13): estimated.',
    facts: ['A11', 'A13'],
  },
  {
    name: 'other zone by gateway-load-balancer-endpoint: nothing for the zones',
    local: AWS_POD,
    peer: { kind: 'pod', ...AWS_OTHER_ZONE },
    path: { kind: 'gateway-load-balancer-endpoint' },
    ...BYTES,
    expect: {
      class: 'cross-zone',
      path: 'gateway-load-balancer-endpoint',
      txCost: ZERO,
      rxCost: ZERO,
      processingCost: '0.127756935630',
      basis: 'estimated',
    },
    arithmetic:
      'tx: other zone by gateway-load-balancer-endpoint, 0; rx: the same, 0; processing: 39,193,704,312 B ÷ 2^30 × 0.0035 (endpoint, both ways) = 0.127756935630. The zero between zones has one third-party source (A13): estimated.',
    facts: ['A7', 'A13'],
  },
  {
    name: 'other zone by transit-gateway: nothing for the zones',
    local: AWS_POD,
    peer: { kind: 'pod', ...AWS_OTHER_ZONE },
    path: { kind: 'transit-gateway' },
    ...BYTES,
    expect: {
      class: 'cross-zone',
      path: 'transit-gateway',
      txCost: ZERO,
      rxCost: ZERO,
      processingCost: '0.144872400481',
      basis: 'estimated',
    },
    arithmetic:
      'tx: other zone by transit-gateway, 0; rx: the same, 0; processing: 7,777,777,777 B ÷ 2^30 × 0.02 (transit gateway, sent) = 0.144872400481. The zero between zones has one third-party source (A13): estimated.',
    facts: ['A7', 'A10', 'A13'],
  },
  {
    name: 'other zone by client-vpn: nothing for the zones',
    local: AWS_POD,
    peer: { kind: 'pod', ...AWS_OTHER_ZONE },
    path: { kind: 'client-vpn' },
    ...BYTES,
    expect: {
      class: 'cross-zone',
      path: 'client-vpn',
      txCost: ZERO,
      rxCost: ZERO,
      processingCost: ZERO,
      basis: 'estimated',
    },
    arithmetic:
      'tx: other zone by client-vpn, 0; rx: the same, 0; processing: nothing per byte. The zero between zones has one third-party source (A13): estimated. A Client VPN is billed by the hour.',
    facts: ['A13'],
  },
  {
    name: 'same-zone by peered transit gateways: the peering is billed in one region, too',
    local: AWS_POD,
    peer: { kind: 'pod', ...AWS_SAME_ZONE },
    path: { kind: 'transit-gateway-peering' },
    ...BYTES,
    expect: {
      class: 'same-zone',
      path: 'transit-gateway-peering',
      txCost: '0.072436200241',
      rxCost: ZERO,
      processingCost: '0.144872400481',
      basis: 'estimated',
    },
    arithmetic:
      'tx: 7,777,777,777 B ÷ 2^30 × 0.01 (transit gateway peering in one region) = 0.072436200241; rx: 0; processing: 7,777,777,777 B ÷ 2^30 × 0.02 (transit gateway, sent) = 0.144872400481. Out only; that the attachment of the receiver charges nothing is not verified.',
    facts: ['A2', 'A7'],
  },
  {
    name: 'cross-zone by peered transit gateways: the peering is billed in one region, too',
    local: AWS_POD,
    peer: { kind: 'pod', ...AWS_OTHER_ZONE },
    path: { kind: 'transit-gateway-peering' },
    ...BYTES,
    expect: {
      class: 'cross-zone',
      path: 'transit-gateway-peering',
      txCost: '0.072436200241',
      rxCost: ZERO,
      processingCost: '0.144872400481',
      basis: 'estimated',
    },
    arithmetic:
      'tx: 7,777,777,777 B ÷ 2^30 × 0.01 (transit gateway peering in one region) = 0.072436200241; rx: 0; processing: 7,777,777,777 B ÷ 2^30 × 0.02 (transit gateway, sent) = 0.144872400481. Out only; that the attachment of the receiver charges nothing is not verified.',
    facts: ['A2', 'A7'],
  },
  {
    name: 'SQS of the region by resource-endpoint',
    local: AWS_POD,
    peer: { kind: 'provider-service', provider: 'aws', region: 'us-east-1', service: 'SQS' },
    path: { kind: 'resource-endpoint' },
    ...BYTES,
    expect: {
      class: 'provider-service',
      path: 'resource-endpoint',
      txCost: ZERO,
      rxCost: ZERO,
      processingCost: '0.365019816086',
      basis: 'exact',
    },
    arithmetic:
      'tx: service of the region, 0; rx: service of the region, 0; processing: 39,193,704,312 B ÷ 2^30 × 0.01 (resource endpoint, both ways) = 0.365019816086.',
    facts: ['A2', 'A11'],
  },
  {
    name: 'SQS of the region by gateway-load-balancer-endpoint',
    local: AWS_POD,
    peer: { kind: 'provider-service', provider: 'aws', region: 'us-east-1', service: 'SQS' },
    path: { kind: 'gateway-load-balancer-endpoint' },
    ...BYTES,
    expect: {
      class: 'provider-service',
      path: 'gateway-load-balancer-endpoint',
      txCost: ZERO,
      rxCost: ZERO,
      processingCost: '0.127756935630',
      basis: 'exact',
    },
    arithmetic:
      'tx: service of the region, 0; rx: service of the region, 0; processing: 39,193,704,312 B ÷ 2^30 × 0.0035 (endpoint, both ways) = 0.127756935630.',
    facts: ['A2', 'A7'],
  },
  {
    name: 'peered network in another zone by interface-endpoint',
    local: AWS_POD,
    peer: {
      kind: 'private',
      ...AWS_OTHER_ZONE,
      ip: '10.8.1.4',
      network: { kind: 'peered', via: 'interface-endpoint' },
    },
    path: { kind: 'interface-endpoint' },
    ...BYTES,
    expect: {
      class: 'peered',
      path: 'interface-endpoint',
      txCost: ZERO,
      rxCost: ZERO,
      processingCost: '0.365019816086',
      basis: 'estimated',
    },
    arithmetic:
      'tx: other zone by interface-endpoint, 0; rx: the same, 0; processing: 39,193,704,312 B ÷ 2^30 × 0.01 (interface endpoint, both ways) = 0.365019816086. The zero between zones has one third-party source (A13): estimated.',
    facts: ['A7', 'A11', 'A13'],
  },
  {
    name: 'peered network in another zone by resource-endpoint',
    local: AWS_POD,
    peer: { kind: 'private', ...AWS_OTHER_ZONE, ip: '10.8.1.4', network: { kind: 'peered', via: 'resource-endpoint' } },
    path: { kind: 'resource-endpoint' },
    ...BYTES,
    expect: {
      class: 'peered',
      path: 'resource-endpoint',
      txCost: ZERO,
      rxCost: ZERO,
      processingCost: '0.365019816086',
      basis: 'estimated',
    },
    arithmetic:
      'tx: other zone by resource-endpoint, 0; rx: the same, 0; processing: 39,193,704,312 B ÷ 2^30 × 0.01 (resource endpoint, both ways) = 0.365019816086. The zero between zones has one third-party source (A13): estimated.',
    facts: ['A11', 'A13'],
  },
  {
    name: 'peered network in another zone by gateway-load-balancer-endpoint',
    local: AWS_POD,
    peer: {
      kind: 'private',
      ...AWS_OTHER_ZONE,
      ip: '10.8.1.4',
      network: { kind: 'peered', via: 'gateway-load-balancer-endpoint' },
    },
    path: { kind: 'gateway-load-balancer-endpoint' },
    ...BYTES,
    expect: {
      class: 'peered',
      path: 'gateway-load-balancer-endpoint',
      txCost: ZERO,
      rxCost: ZERO,
      processingCost: '0.127756935630',
      basis: 'estimated',
    },
    arithmetic:
      'tx: other zone by gateway-load-balancer-endpoint, 0; rx: the same, 0; processing: 39,193,704,312 B ÷ 2^30 × 0.0035 (endpoint, both ways) = 0.127756935630. The zero between zones has one third-party source (A13): estimated.',
    facts: ['A7', 'A13'],
  },
  {
    name: 'peered network in another zone by client-vpn',
    local: AWS_POD,
    peer: { kind: 'private', ...AWS_OTHER_ZONE, ip: '10.8.1.4', network: { kind: 'peered', via: 'client-vpn' } },
    path: { kind: 'client-vpn' },
    ...BYTES,
    expect: {
      class: 'peered',
      path: 'client-vpn',
      txCost: ZERO,
      rxCost: ZERO,
      processingCost: ZERO,
      basis: 'estimated',
    },
    arithmetic:
      'tx: other zone by client-vpn, 0; rx: the same, 0; processing: nothing per byte. The zero between zones has one third-party source (A13): estimated. A Client VPN is billed by the hour.',
    facts: ['A13'],
  },
  {
    name: 'on-premises by Direct Connect: nobody wrote down what is sent',
    local: AWS_POD,
    peer: { kind: 'private', ip: '172.16.4.4', network: { kind: 'on-premises', via: 'direct-connect' } },
    path: { kind: 'direct-connect' },
    ...BYTES,
    expect: {
      class: 'on-premises',
      path: 'direct-connect',
      txCost: null,
      rxCost: ZERO,
      processingCost: ZERO,
      basis: 'none',
    },
    arithmetic:
      'tx: the facts have no rate by location, null; rx: into AWS, 0; processing: nothing per byte. One cost is null: none.',
    facts: ['A14', '§11.3'],
  },
  {
    name: 'Google: one zone through a VPN, as between zones',
    local: GOOGLE_POD,
    peer: { kind: 'pod', provider: 'gcp', region: 'us-central1', zone: 'us-central1-a' },
    path: { kind: 'vpn' },
    ...BYTES,
    expect: {
      class: 'same-zone',
      path: 'vpn',
      txCost: '0.072436200241',
      rxCost: ZERO,
      processingCost: ZERO,
      basis: 'estimated',
    },
    arithmetic:
      'tx: 7,777,777,777 B ÷ 2^30 × 0.01 (VPN in one region, as other zone) = 0.072436200241; rx: 0; processing: nothing per byte. One secondary reading: estimated.',
    facts: ['G12'],
  },
  {
    name: 'Google: a peered network of the region through a VPN, both ways',
    local: GOOGLE_POD,
    peer: {
      kind: 'private',
      provider: 'gcp',
      region: 'us-central1',
      zone: 'us-central1-b',
      ip: '10.8.1.4',
      network: { kind: 'peered', via: 'vpn' },
    },
    path: { kind: 'vpn' },
    ...BYTES,
    expect: {
      class: 'peered',
      path: 'vpn',
      txCost: '0.072436200241',
      rxCost: ZERO,
      processingCost: ZERO,
      basis: 'estimated',
    },
    arithmetic:
      'tx: 7,777,777,777 B ÷ 2^30 × 0.01 (VPN in one region, as other zone) = 0.072436200241; rx: 0; processing: nothing per byte. One secondary reading: estimated.',
    facts: ['G12'],
  },
  {
    name: 'Google: internet by CDN Interconnect',
    local: GOOGLE_POD,
    peer: INTERNET,
    path: { kind: 'cdn-interconnect' },
    ...BYTES,
    expect: {
      class: 'internet',
      path: 'cdn-interconnect',
      txCost: '0.579489601925',
      rxCost: ZERO,
      processingCost: ZERO,
      basis: 'estimated',
    },
    arithmetic:
      'tx: 7,777,777,777 B ÷ 2^30 × 0.08 (CDN Interconnect, North America) = 0.579489601925; rx: into Google, 0. Since 2026-05-01; two third-party sources: estimated.',
    facts: ['G15'],
  },
  {
    name: 'Google: internet by Direct Peering',
    local: GOOGLE_POD,
    peer: INTERNET,
    path: { kind: 'direct-peering' },
    ...BYTES,
    expect: {
      class: 'internet',
      path: 'direct-peering',
      txCost: '0.579489601925',
      rxCost: ZERO,
      processingCost: ZERO,
      basis: 'estimated',
    },
    arithmetic:
      'tx: 7,777,777,777 B ÷ 2^30 × 0.08 (Direct Peering, North America) = 0.579489601925; rx: into Google, 0. Since 2026-05-01; two third-party sources: estimated.',
    facts: ['G15'],
  },
  {
    name: 'Google: on-premises by CDN Interconnect',
    local: GOOGLE_POD,
    peer: { kind: 'private', ip: '172.16.4.4', network: { kind: 'on-premises', via: 'cdn-interconnect' } },
    path: { kind: 'cdn-interconnect' },
    ...BYTES,
    expect: {
      class: 'on-premises',
      path: 'cdn-interconnect',
      txCost: '0.579489601925',
      rxCost: ZERO,
      processingCost: ZERO,
      basis: 'estimated',
    },
    arithmetic:
      'tx: 7,777,777,777 B ÷ 2^30 × 0.08 (CDN Interconnect, North America) = 0.579489601925; rx: into Google, 0. Since 2026-05-01; two third-party sources: estimated.',
    facts: ['G15'],
  },
  {
    name: 'Google: Storage by Private Google Access',
    local: GOOGLE_POD,
    peer: { kind: 'provider-service', provider: 'gcp', region: 'us-central1', service: 'Storage' },
    path: { kind: 'private-google-access' },
    ...BYTES,
    expect: {
      class: 'provider-service',
      path: 'private-google-access',
      txCost: ZERO,
      rxCost: ZERO,
      processingCost: ZERO,
      basis: 'estimated',
    },
    arithmetic:
      'tx: service of the region, 0; rx: in, 0; processing: no own charge was found, which nobody has verified: estimated.',
    facts: ['G4', 'G8'],
  },
  {
    name: 'Azure: Storage by a service endpoint',
    local: AZURE_POD,
    peer: { kind: 'provider-service', provider: 'azure', region: 'eastus', service: 'Storage' },
    path: { kind: 'service-endpoint' },
    ...BYTES,
    expect: {
      class: 'provider-service',
      path: 'service-endpoint',
      txCost: ZERO,
      rxCost: ZERO,
      processingCost: ZERO,
      basis: 'estimated',
    },
    arithmetic:
      'tx: service of the region, 0; rx: in, 0; processing: no own charge, which nobody has verified: estimated.',
    facts: ['Z9'],
  },
];
