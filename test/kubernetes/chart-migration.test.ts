// What `flowtoll migrate-egressd` makes of egressd's values, installed by the real Helm into a rendering of our chart: its schema takes them,
// and the aggregator gets sinks that it can read.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseSinks } from '@flowtoll/aggregator/sinks/config.ts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { CHART, ChartRenderer, podTemplateOf } from '../support/chart/chart.ts';
import { helmHome, helmPrograms } from '../support/helm.ts';
import { AGGREGATOR_PROGRAM, Programs } from '../support/processes.ts';

const VARIANTS: Readonly<Record<string, string>> = {
  nothing: '',
  'CAST AI': 'castai: { apiKeySecretRef: castai, clusterIdSecretKeyRef: { name: castai-id } }',
  everything: `
castai: { apiKey: very-secret, clusterID: c-1 }
imagePullSecrets: [{ name: pull }]
collector:
  ctMode: cilium
  serviceAccount: { create: true, name: net, annotations: { a: b } }
  podAnnotations: { team: net }
  podLabels: { app: x }
  nodeSelector: { pool: a }
  tolerations: [{ key: gpu, operator: Exists }]
  affinity: { nodeAffinity: {} }
  priorityClassName: high
  extraArgs: { read-interval: 2s, log-level: warning, group-public-ips: true, exclude-namespaces: 'kube-system,monitoring' }
exporter:
  podLabels: { app: y }
  tolerations: [{ operator: Exists }]
  nodeSelector: { pool: b }
  config: |
    log: { level: debug }
    exportInterval: 30s
    sinks:
      castai:
        http: { url: "{{.Values.castai.apiURL}}/v1/kubernetes/clusters/{{.Values.castai.clusterID}}/egressd-metrics", compression: gzip, headers: { X-API-Key: "$API_KEY" } }
      prom:
        prom_remote_write: { url: 'http://prometheus:9090/api/v1/write', labels: { env: prod } }
`,
};

const helm = await helmPrograms();
if (helm !== undefined) {
  describe.each(Object.entries(VARIANTS))('egressd with %s', (name, values) => {
    const programs = new Programs();
    let folder: string;
    let chart: ChartRenderer;
    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'flowtoll-migration-'));
      chart = new ChartRenderer(helm, helmHome(folder));
    });
    afterAll(async () => {
      await programs.killAll();
      await rm(folder, { recursive: true, force: true });
    });

    test('the chart takes what comes out, and the aggregator its sinks', async () => {
      const file = join(folder, 'egressd.yaml');
      await writeFile(file, values);
      const { code, stdout, stderr } = await programs.run(AGGREGATOR_PROGRAM, [
        ...['migrate-egressd', file, '--store', 's3://tables/flowtoll'],
      ]);
      expect({ code, stderr }).toMatchObject({ code: 0 });
      expect(stderr).toContain('Works in another way:');
      const migrated = parse(stdout);
      const lint = await chart.run(['lint', '--strict', CHART], migrated);
      expect(lint.code, `${lint.stdout}${lint.stderr}`).toBe(0);
      const manifests = await chart.render(migrated);
      const sinks = manifests
        .filter(({ kind }) => kind === 'ConfigMap')
        .flatMap(({ data }) => Object.entries((data ?? {}) as Record<string, string>))
        .find(([key]) => key.startsWith('sinks'))?.[1];
      const expected = {
        nothing: [],
        'CAST AI': ['castai'],
        everything: ['castai', 'prom'],
      }[name]!;
      const environment = { API_KEY: 'k', CLUSTER_ID: 'c' };
      expect(sinks === undefined ? [] : parseSinks(sinks, 'sinks', environment).map((sink) => sink.name)).toEqual(
        expected,
      );
      const [aggregator] = manifests.filter(({ kind }) => kind === 'Deployment').map(podTemplateOf);
      const containers = JSON.stringify(aggregator);
      if (name === 'CAST AI') expect(containers).toMatch(/"CLUSTER_ID".*"castai-id"/);
      if (name === 'everything') expect(containers).toContain('castai-api-key');
      expect(JSON.stringify([migrated, manifests])).not.toContain('very-secret');
    });
  });
}
