// What the chart makes of dashboards and rules: the very files, and a PrometheusRule that promtool takes.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { dashboards } from '../support/dashboards.ts';
import { DASHBOARDS_PAGE, dashboardsPage } from '../support/dashboards-page.ts';
import { helmHome, helmPrograms, runProgram } from '../support/helm.ts';
import { prometheusPrograms, promtool } from '../support/prometheus.ts';

const CHART = join(import.meta.dirname, '..', '..', 'charts', 'flowtoll');

interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace: string; readonly labels: Record<string, string> };
  readonly data: Record<string, string>;
  readonly spec: object;
}

const found = { helm: await helmPrograms(), prometheus: await prometheusPrograms() };

describe.runIf(found.helm !== undefined && found.prometheus !== undefined)('monitoring in the chart', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'flowtoll-chart-'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  async function render(...args: string[]): Promise<Manifest[]> {
    const { code, stdout, stderr } = await runProgram(
      found.helm!.helm,
      ['template', 'flowtoll', CHART, '--namespace', 'metering', '--set', 'store=s3://bucket/prefix', ...args],
      { env: helmHome(folder) },
    );
    expect(stderr).toBe('');
    expect(code).toBe(0);
    return parseAllDocuments(stdout)
      .map((document) => document.toJS() as Manifest | null)
      .filter((manifest) => manifest !== null);
  }

  test('is there when somebody asks for it', async () => {
    const kinds = (await render()).map(({ kind, metadata }) => `${kind} ${metadata.name}`);
    expect(kinds.filter((name) => /PrometheusRule|dashboard/.test(name))).toEqual([]);
  });

  test('dashboards are the files, labelled for the sidecar', async () => {
    const manifests = await render(
      '--set',
      'monitoring.dashboards.enabled=true,monitoring.dashboards.namespace=grafana',
    );
    const maps = manifests.filter(({ metadata }) => metadata.labels['grafana_dashboard'] === '1');
    expect(maps.map(({ kind, metadata }) => [kind, metadata.namespace])).toEqual(
      dashboards().map(() => ['ConfigMap', 'grafana']),
    );
    const files = Object.assign({}, ...maps.map(({ data }) => data)) as Record<string, string>;
    for (const { file } of dashboards()) {
      const text = await readFile(join(CHART, 'dashboards', file), 'utf8');
      expect(JSON.parse(files[`flowtoll-${file}`]!)).toEqual(JSON.parse(text));
    }
  });

  test('rules are a PrometheusRule that promtool takes, with links to the runbooks', async () => {
    const manifests = await render(
      '--set',
      'monitoring.rules.enabled=true,monitoring.rules.runbookUrl=https://wiki/f/',
    );
    const [rule] = manifests.filter(({ kind }) => kind === 'PrometheusRule');
    const file = join(folder, 'rules.json');
    await writeFile(file, JSON.stringify(rule!.spec));
    expect(await promtool(found.prometheus!, 'check', 'rules', file)).toMatchObject({ code: 0 });
    const plain = (await readFile(join(CHART, 'rules', 'flowtoll.yaml'), 'utf8')).replaceAll(
      'RUNBOOKS/',
      'https://wiki/f/',
    );
    expect(rule!.spec).toEqual(parse(plain));
  });

  test('a series file reaches the aggregator', async () => {
    const sets = '{"version":1,"sets":[{"name":"team","labels":["label:team"]}]}';
    const manifests = await render('--set-json', `aggregator.series=${sets}`);
    const text = manifests.map(({ data }) => data?.['series.yaml']).find((text) => text !== undefined);
    expect(parse(text!)).toEqual(JSON.parse(sets));
    expect(JSON.stringify(manifests)).toContain('"--series=/etc/flowtoll/config/series.yaml"');
  });

  test('a sinks file reaches the aggregator, too', async () => {
    const sinks = '{"version":1,"sinks":{"otel":{"type":"otlp","url":"http://otel:4318/v1/metrics"}}}';
    const manifests = await render('--set-json', `aggregator.sinks=${sinks}`);
    const text = manifests.map(({ data }) => data?.['sinks.yaml']).find((text) => text !== undefined);
    expect(parse(text!)).toEqual(JSON.parse(sinks));
    expect(JSON.stringify(manifests)).toContain('"--sinks=/etc/flowtoll/config/sinks.yaml"');
  });

  test('the page of dashboards is up to date: npm run generate', async () => {
    expect(await readFile(DASHBOARDS_PAGE, 'utf8')).toBe(dashboardsPage());
  });
});

test('dashboards have what Grafana needs, each panel a question, and panels lie beside each other', () => {
  const uids = new Set<string>();
  for (const { uid, panels, file } of dashboards()) {
    expect(uid).toMatch(/^flowtoll-[a-z-]{1,30}$/);
    uids.add(uid);
    for (const { title, description, targets } of panels) {
      expect(description, `${file}: ${title}`).toMatch(/\?/);
      expect(targets.length).toBeGreaterThan(0);
    }
    const places = (panels as unknown as { gridPos: { x: number; y: number; w: number; h: number } }[]).map(
      ({ gridPos }) => gridPos,
    );
    for (const [i, a] of places.entries()) {
      expect(a.x + a.w).toBeLessThanOrEqual(24);
      for (const b of places.slice(i + 1)) {
        const apart = a.x + a.w <= b.x || b.x + b.w <= a.x || a.y + a.h <= b.y || b.y + b.h <= a.y;
        expect(apart, file).toBe(true);
      }
    }
  }
  expect(uids.size).toBe(5);
});
