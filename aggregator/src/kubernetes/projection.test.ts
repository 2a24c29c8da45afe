import { describe, expect, test } from 'vitest';
import { createProjections, type ProjectionConfig } from './projection.ts';
import type { RawObject } from './raw-objects.ts';

const CONFIG: ProjectionConfig = {
  podLabels: ['app', 'team'],
  namespaceLabels: ['team'],
  nodeLabels: ['site.example/hall'],
};
const KIND = { apiVersion: 'apps/v1', kind: 'ReplicaSet' };

const projections = createProjections(CONFIG);
const metadata = {
  uid: 'u',
  name: 'n',
  namespace: 'shop',
  resourceVersion: '7',
  creationTimestamp: '2026-03-01T00:00:00Z',
};
const CREATED_US = 1_772_323_200_000_000;

describe('pods', () => {
  const pod = (rest: object) => projections.pods({ metadata, ...rest } as RawObject, KIND);

  test('keep what naming needs', () => {
    const owner = { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'web-1', uid: 'rs', controller: true };
    expect(
      pod({
        metadata: {
          ...metadata,
          labels: { app: 'web', version: '7' },
          annotations: { much: 'text' },
          deletionTimestamp: '2026-03-01T00:01:00Z',
          ownerReferences: [
            { ...owner, uid: 'other', controller: undefined },
            { ...owner, blockOwnerDeletion: true },
          ],
        },
        spec: { nodeName: 'n1', containers: [{ name: 'main' }] },
        status: {
          phase: 'Running',
          startTime: '2026-03-01T00:00:02.5Z',
          podIP: '10.244.0.7',
          podIPs: [{ ip: '10.244.0.7' }, { ip: 'FD00:244:0:0::7' }],
        },
      }),
    ).toEqual({
      ...{ uid: 'u', namespace: 'shop', name: 'n', nodeName: 'n1', hostNetwork: false, phase: 'Running' },
      addresses: ['10.244.0.7', 'fd00:244::7'],
      createdUs: CREATED_US,
      startedUs: CREATED_US + 2_500_000,
      endedUs: null,
      deletedUs: CREATED_US + 60_000_000,
      owner: { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'web-1', uid: 'rs' },
      labels: { app: 'web' },
    });
  });

  test('that nobody has touched yet are pending, without anything', () => {
    expect(pod({ spec: { nodeName: '' } })).toEqual({
      ...{
        uid: 'u',
        namespace: 'shop',
        name: 'n',
        nodeName: null,
        hostNetwork: false,
        phase: 'Pending',
        addresses: [],
      },
      ...{ createdUs: CREATED_US, startedUs: null, endedUs: null, deletedUs: null, owner: null, labels: {} },
    });
  });

  test('ended when the last of their containers did', () => {
    const ended = (finishedAt: string) => ({ state: { terminated: { finishedAt } } });
    const status = {
      podIP: '10.244.0.8',
      initContainerStatuses: [ended('2026-03-01T00:00:30Z')],
      containerStatuses: [ended('2026-03-01T00:00:20Z'), ended('0001-01-01T00:00:00Z'), { state: { running: {} } }],
    };
    expect(pod({ status: { ...status, phase: 'Succeeded' } })).toMatchObject({
      addresses: ['10.244.0.8'],
      endedUs: CREATED_US + 30_000_000,
    });
    expect(pod({ status: { ...status, phase: 'Running' } })?.endedUs).toBeNull();
    expect(pod({ status: { phase: 'Failed', reason: 'Evicted' } })?.endedUs).toBeNull();
    expect(pod({ status: { phase: 'NewPhase' } })?.phase).toBe('Unknown');
  });

  test('have addresses alone, in one spelling', () => {
    const podIPs = ['010.001.0.7', '10.1.0.256', 'none', '10.1.0', 'fe80::1%eth0', '::FFFF:1', '10.1.0.7', undefined];
    expect(pod({ status: { podIPs: podIPs.map((ip) => ({ ip })) } })?.addresses).toEqual(['10.1.0.7', '::ffff:1']);
  });

  test('share the texts that they have in common', () => {
    // Texts of two JSON documents are never the same object by themselves.
    const parsed = () =>
      pod(
        JSON.parse(
          '{"spec":{"nodeName":"a-long-node-name"},"metadata":{"uid":"u","name":"n","namespace":"a-long-namespace","ownerReferences":[{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"web","uid":"rs-2","controller":true}]}}',
        ),
      );
    expect(parsed()?.owner).toBe(parsed()?.owner);
  });

  test('without uid or name are nothing', () => {
    expect(pod({ metadata: { name: 'n' } })).toBeUndefined();
    expect(pod({ metadata: { uid: 'u' } })).toBeUndefined();
    expect(projections.pods({}, KIND)).toBeUndefined();
  });
});

test('nodes keep where they are, internal addresses first', () => {
  expect(
    projections.nodes(
      {
        metadata: {
          uid: 'u',
          name: 'n1',
          creationTimestamp: '2026-03-01T00:00:00Z',
          labels: {
            'topology.kubernetes.io/region': 'eu-west-1',
            'topology.kubernetes.io/zone': 'eu-west-1a',
            'topology.k8s.aws/zone-id': 'euw1-az1',
            'failure-domain.beta.kubernetes.io/zone': 'eu-west-1a',
            'kubernetes.io/hostname': 'n1',
            'site.example/hall': '7',
          },
        },
        spec: { providerID: 'aws:///eu-west-1a/i-1', podCIDR: '10.244.1.0/24' },
        status: {
          addresses: [
            { type: 'ExternalIP', address: '203.0.113.7' },
            { type: 'InternalIP', address: '10.0.0.7' },
            { type: 'Hostname', address: 'n1' },
            { type: 'InternalIP', address: '2001:DB8::7' },
          ],
        },
      } as RawObject,
      KIND,
    ),
  ).toEqual({
    ...{ uid: 'u', name: 'n1', addresses: ['10.0.0.7', '2001:db8::7', '203.0.113.7'], podCidrs: ['10.244.1.0/24'] },
    providerId: 'aws:///eu-west-1a/i-1',
    labels: {
      'topology.kubernetes.io/region': 'eu-west-1',
      'topology.kubernetes.io/zone': 'eu-west-1a',
      'topology.k8s.aws/zone-id': 'euw1-az1',
      'failure-domain.beta.kubernetes.io/zone': 'eu-west-1a',
      'site.example/hall': '7',
    },
    createdUs: CREATED_US,
  });
});

test('services keep their addresses and ports; headless and external ones have none', () => {
  const service = (spec: object, status: object = {}) =>
    projections.services({ metadata, spec, status } as RawObject, KIND);
  expect(
    service(
      {
        ...{ type: 'LoadBalancer', clusterIP: '10.96.0.7', clusterIPs: ['10.96.0.7', 'fd00:96::7'] },
        externalIPs: ['198.51.100.7'],
        ports: [
          { port: 80, nodePort: 30080 },
          { protocol: 'UDP', port: 53 },
        ],
      },
      { loadBalancer: { ingress: [{ ip: '203.0.113.9' }, { hostname: 'lb.example' }] } },
    ),
  ).toEqual({
    ...{ uid: 'u', namespace: 'shop', name: 'n', type: 'LoadBalancer', createdUs: CREATED_US },
    clusterIps: ['10.96.0.7', 'fd00:96::7'],
    externalIps: ['198.51.100.7', '203.0.113.9'],
    ports: [
      { protocol: 'tcp', port: 80, nodePort: 30080 },
      { protocol: 'udp', port: 53, nodePort: 0 },
    ],
  });
  expect(service({ clusterIP: 'None' })).toMatchObject({ type: 'ClusterIP', clusterIps: [] });
  expect(service({ type: 'ExternalName', externalName: 'db.example' })).toMatchObject({
    type: 'ExternalName',
    clusterIps: [],
  });
});

test('endpoint slices keep addresses, places and pods; what was written by hand has no pod', () => {
  expect(
    projections.endpointslices(
      {
        metadata: { ...metadata, labels: { 'kubernetes.io/service-name': 'web' } },
        endpoints: [
          {
            ...{ addresses: ['10.244.0.7'], nodeName: 'n1', zone: 'eu-west-1a', conditions: { ready: true } },
            targetRef: { kind: 'Pod', name: 'web-1', namespace: 'shop' },
          },
          { addresses: ['192.0.2.7', 'db.example'] },
          { addresses: null },
        ],
      } as unknown as RawObject,
      KIND,
    ),
  ).toEqual({
    ...{ uid: 'u', namespace: 'shop', name: 'n', service: 'web' },
    endpoints: [
      { address: '10.244.0.7', nodeName: 'n1', zone: 'eu-west-1a', pod: 'shop/web-1' },
      { address: '192.0.2.7', nodeName: null, zone: null, pod: null },
    ],
  });
});

test('namespaces keep chosen labels, owners their own owner', () => {
  const labels = { team: 'checkout', 'kubernetes.io/metadata.name': 'n' };
  expect(projections.namespaces({ metadata: { uid: 'u', name: 'n', labels } }, KIND)).toEqual({
    ...{ uid: 'u', name: 'n', labels: { team: 'checkout' } },
  });
  const ownerReferences = [
    { apiVersion: 'argoproj.io/v1alpha1', kind: 'Rollout', name: 'web', uid: 'r', controller: true },
  ];
  expect(projections.owners({ metadata: { ...metadata, ownerReferences } }, KIND)).toEqual({
    ...{ uid: 'u', apiVersion: 'apps/v1', kind: 'ReplicaSet', namespace: 'shop', name: 'n' },
    owner: { apiVersion: 'argoproj.io/v1alpha1', kind: 'Rollout', name: 'web', uid: 'r' },
  });
});
