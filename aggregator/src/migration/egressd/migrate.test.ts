// Values of egressd's chart as people have them → ours. Expected values are written by hand; that our chart takes them is tested with Helm
// (test/kubernetes/chart-migration.test.ts).
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { parseSinks } from '../../sinks/config.ts';
import { migrateEgressd } from './migrate.ts';

const migrate = (values: string, more: { exporterConfig?: string } = {}) =>
  migrateEgressd({
    values,
    file: 'values.yaml',
    store: 's3://tables/flowtoll',
    ...more,
  });
const sinksOf = (values: string, more = {}) => {
  const { aggregator } = migrate(values, more).values as {
    aggregator: { sinks: { sinks: object } };
  };
  // What it gives can be read as a file of sinks.
  const environment = { API_KEY: 'k', CLUSTER_ID: 'c', TOKEN: 't', HOST: 'h' };
  parseSinks(JSON.stringify(aggregator.sinks), 'sinks.yaml', environment);
  return aggregator.sinks.sinks;
};
const remarksOf = (values: string, kind: string, more = {}) =>
  migrate(values, more)
    .remarks.filter((remark) => remark.kind === kind)
    .map(({ path, text }) => `${path}: ${text}`);

describe('the sink of CAST AI', () => {
  const url = (id: string) => `https://api.cast.ai/v1/kubernetes/clusters/${id}/egressd-metrics`;

  test('by a Secret, with the cluster’s id', () => {
    const { values } = migrate('castai: { apiKeySecretRef: castai, clusterID: 6f-1 }');
    expect(values).toEqual({
      store: 's3://tables/flowtoll',
      aggregator: {
        sinks: {
          version: 1,
          sinks: {
            castai: {
              ...{
                type: 'http',
                url: url('6f-1'),
                headers: { 'X-API-Key': '${API_KEY}' },
              },
              ...{ excludeNamespaces: ['kube-system'], groupPublicIps: true },
            },
          },
        },
        extraEnvFrom: [{ secretRef: { name: 'castai' } }],
      },
    });
  });

  test('the id from a Secret, another API', () => {
    const text =
      'castai: { apiKeySecretRef: s, apiURL: https://api.eu.cast.ai, clusterIdSecretKeyRef: { name: ids, key: ID } }';
    const { aggregator } = migrate(text).values as {
      aggregator: Record<string, unknown>;
    };
    expect(aggregator['extraEnv']).toEqual([
      {
        name: 'CLUSTER_ID',
        valueFrom: { secretKeyRef: { name: 'ids', key: 'ID' } },
      },
    ]);
    expect(sinksOf(text)).toMatchObject({
      castai: {
        url: 'https://api.eu.cast.ai/v1/kubernetes/clusters/${CLUSTER_ID}/egressd-metrics',
      },
    });
  });

  test('a key in the values is nowhere in what comes out', () => {
    const migration = migrate('castai: { apiKey: very-secret-key, clusterID: c }');
    expect(JSON.stringify(migration)).not.toContain('very-secret-key');
    expect(migration.values).toMatchObject({
      aggregator: { extraEnvFrom: [{ secretRef: { name: 'castai-api-key' } }] },
    });
    expect(migration.remarks).toContainEqual(expect.objectContaining({ kind: 'todo', path: 'castai.apiKey' }));
  });

  test('nobody’s: no sink', () => {
    expect(migrate('').values).toEqual({ store: 's3://tables/flowtoll' });
    expect(migrate('castai: { apiKey: "", apiURL: https://api.cast.ai, clusterID: "" }').values).not.toHaveProperty(
      'aggregator',
    );
  });
});

describe('the exporter’s configuration', () => {
  const CONFIG = `
exporter:
  config: |
    log: { level: warning }
    exportInterval: 1m30s
    collectorFetchTimeout: 5s
    sinks:
    {{- if or .Values.castai.apiKey .Values.castai.apiKeySecretRef }}
      castai:
        http:
          url: "{{.Values.castai.apiURL}}/v1/kubernetes/clusters/{{ .Values.castai.clusterID }}/egressd-metrics"
          compression: gzip
          encoding: protobuf
          headers: { X-API-Key: "\${API_KEY}" }
    {{- end }}
      My Prometheus:
        prom_remote_write:
          url: http://$HOST:9090/api/v1/write
          headers: { Authorization: Bearer $TOKEN }
          labels: { env: prod }
          sendReceivedBytesMetric: true
      plain:
        http: { url: 'http://receiver/', method: put, timeout: 1m }
`;

  test('all of it, as a template without CAST AI’s key', () => {
    expect(sinksOf(CONFIG)).toEqual({
      'my-prometheus': {
        ...{
          type: 'prometheus-remote-write',
          url: 'http://${HOST}:9090/api/v1/write',
        },
        ...{
          headers: { Authorization: 'Bearer ${TOKEN}' },
          labels: { env: 'prod' },
          sendReceivedBytesMetric: true,
        },
        ...{
          interval: '90s',
          excludeNamespaces: ['kube-system'],
          groupPublicIps: true,
        },
      },
      plain: {
        ...{
          type: 'http',
          url: 'http://receiver/',
          method: 'PUT',
          timeout: '1m',
          compression: 'none',
        },
        ...{
          interval: '90s',
          excludeNamespaces: ['kube-system'],
          groupPublicIps: true,
        },
      },
    });
    expect(migrate(CONFIG).values).toMatchObject({
      aggregator: { options: { 'log-level': 'warn' } },
    });
    expect(remarksOf(CONFIG, 'dropped')).toContainEqual(
      expect.stringContaining('exporter.config.collectorFetchTimeout'),
    );
    expect(remarksOf(CONFIG, 'changed')).toContainEqual(expect.stringContaining('is named my-prometheus here'));
  });

  test('with the key its part is there, too', () => {
    expect(sinksOf(`${CONFIG}\ncastai: { apiKeySecretRef: s, clusterID: c-1 }`)).toMatchObject({
      castai: {
        url: 'https://api.cast.ai/v1/kubernetes/clusters/c-1/egressd-metrics',
      },
      plain: {},
    });
  });

  test('what is merged over it counts', () => {
    const text = `${CONFIG}\n  structuredConfig: { exportInterval: 2m, sinks: { plain: { http: { url: http://other/ } } } }`;
    expect(sinksOf(text)).toMatchObject({
      plain: { url: 'http://other/', method: 'PUT', interval: '2m' },
      'my-prometheus': {},
    });
  });

  test('in a Secret: asked for, and taken where it is given', () => {
    const text = 'exporter: { existingSecretForConfig: egressd-config }';
    expect(remarksOf(text, 'todo')).toEqual([expect.stringContaining('--exporter-config')]);
    const exporterConfig = 'sinks: { a: { http: { url: "http://a/", compression: gzip } } }';
    expect(sinksOf(text, { exporterConfig })).toMatchObject({
      a: { type: 'http', url: 'http://a/' },
    });
    expect(remarksOf(text, 'todo', { exporterConfig })).toEqual([]);
  });

  test.each([
    ['an action that only Helm knows', 'exporter: { config: "a: {{ include \\"x\\" . }}" }', /--exporter-config/],
    ['no YAML', 'exporter: { config: "a: [" }', /exporter\.config: not readable as YAML/],
    ['values that are none', '- a', /holds no mapping/],
    ['a text for a mapping', 'collector: yes-please', /collector: is no value of this chart: it takes a mapping/],
  ])('%s is refused', (_, values, message) => {
    expect(() => migrate(values)).toThrow(
      expect.objectContaining({
        code: 'EGRESSD_VALUES_INVALID',
        message: expect.stringMatching(message),
      }),
    );
  });
});

describe('pods', () => {
  test('what is asked of them goes on being asked; what is the chart’s own matter is not taken over', () => {
    const text = `
imagePullSecrets: [{ name: pull }]
fullnameOverride: egress
collector:
  image: { tag: v1 }
  serviceAccount: { create: false, name: net, annotations: { a: b } }
  priorityClassName: high
  podAnnotations: { team: net }
  podLabels: { app: x }
  nodeSelector: { pool: a }
  tolerations: [{ key: gpu, operator: Exists }]
  affinity: { nodeAffinity: {} }
  resources: { limits: { memory: 1Gi } }
  containerSecurityContext: { privileged: true }
  hostPID: true
  prometheusScrape: { enabled: true }
exporter:
  podLabels: { app: y }
  tolerations: [{ operator: Exists }]
`;
    expect(migrate(text).values).toEqual({
      store: 's3://tables/flowtoll',
      imagePullSecrets: [{ name: 'pull' }],
      agent: {
        serviceAccount: { create: false, name: 'net', annotations: { a: 'b' } },
        priorityClassName: 'high',
        ...{
          podAnnotations: { team: 'net' },
          podLabels: { app: 'x' },
          nodeSelector: { pool: 'a' },
        },
        tolerations: [{ key: 'gpu', operator: 'Exists' }],
        affinity: { nodeAffinity: {} },
      },
      aggregator: {
        podLabels: { app: 'y' },
        tolerations: [{ operator: 'Exists' }],
      },
    });
    const said = ['changed', 'dropped'].flatMap((kind) => remarksOf(text, kind)).join('\n');
    for (const path of ['image', 'resources', 'containerSecurityContext', 'hostPID', 'prometheusScrape']) {
      expect(said).toContain(`collector.${path}:`);
    }
    expect(said).toContain('fullnameOverride:');
  });

  test.each([
    ['netfilter', undefined],
    ['cilium', { cilium: { enabled: true } }],
  ])('ct-mode %s', (mode, agent) => {
    for (const text of [`collector: { ctMode: ${mode} }`, `collector: { extraArgs: { ct-mode: ${mode} } }`]) {
      expect(migrate(text).values['agent']).toEqual(agent);
    }
  });

  test('arguments of the collector', () => {
    const text = `
collector:
  extraArgs: { read-interval: 1m30s, cleanup-interval: 60s, exclude-namespaces: 'a, b', group-public-ips: false, send-traffic-delta: false, ebpf-dns-tracer-enabled: true, log-level: warning, what: 1 }
exporter: { config: 'sinks: { a: { http: { url: "http://a/", compression: gzip } } }' }
`;
    expect(migrate(text).values).toMatchObject({
      agent: { options: { 'dump-interval': '90s', 'log-level': 'warn' } },
    });
    expect(sinksOf(text)).toEqual({
      a: { type: 'http', url: 'http://a/', excludeNamespaces: ['a', 'b'] },
    });
    expect(remarksOf(text, 'dropped').map((line) => line.split(':')[0])).toEqual([
      'collector.extraArgs.ebpf-dns-tracer-enabled',
      'collector.extraArgs.cleanup-interval',
    ]);
    expect(remarksOf(text, 'todo')).toEqual(['collector.extraArgs.what: is not known here: see whether you need it']);
    expect(remarksOf(text, 'changed').join('\n')).toMatch(/sends? sums that grow|sums that grow/);
  });
});

test('every key that somebody sets is in the values or in a remark', () => {
  const text = 'collector: { a: 1, serviceAccount: { b: 2 } }\nexporter: { c: 3 }\nd: 4\ncastai: { e: 5 }';
  expect(remarksOf(text, 'todo').map((line) => line.split(':')[0])).toEqual([
    'collector.serviceAccount.b',
    'collector.a',
    'castai.e',
    'exporter.c',
    'd',
  ]);
  expect(Object.keys(parse(text))).toHaveLength(4);
});

test('without a store somebody is asked for one', () => {
  const { values, remarks } = migrateEgressd({ values: '', file: 'v' });
  expect(values).toEqual({});
  expect(remarks[0]).toMatchObject({ kind: 'todo', path: '(store)' });
});
