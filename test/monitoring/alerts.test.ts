// Each alert rule of the chart, by promtool: it fires where it should, and is quiet where it should be. What fires and what does not is said here
// by series alone.
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { prometheusPrograms, promtool } from '../support/prometheus.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const RULES = join(ROOT, 'charts', 'flowtoll', 'rules', 'flowtoll.yaml');
const RUNBOOKS = join(ROOT, 'docs', 'runbooks');

interface Case {
  /** Series by name, with values in promtool's notation, one a minute. */
  readonly fires: Readonly<Record<string, string>>;
  readonly quiet: Readonly<Record<string, string>>;
  /** When it is asked, in minutes. Default: 60. */
  readonly atMinutes?: number;
}

const a = '{instance="a:1"}';

const CASES: Readonly<Record<string, Case>> = {
  FlowtollAbsent: { fires: {}, quiet: { 'flowtoll_build_info{version="1"}': '1x120' } },
  FlowtollCommitsFailing: {
    fires: { [`flowtoll_commits_failing_seconds${a}`]: '0+60x120' },
    quiet: { [`flowtoll_commits_failing_seconds${a}`]: '0 60 120 180 240 0x120' },
  },
  FlowtollFlowsLost: {
    fires: { 'flowtoll_agent_batches_lost_total{instance="a:1",reason="spool-full"}': '0x50 3x60' },
    // Long ago.
    quiet: { 'flowtoll_agent_batches_lost_total{instance="a:1",reason="spool-full"}': '0x10 3x120' },
  },
  FlowtollEventsDropped: {
    fires: { [`flowtoll_agent_events_dropped_total${a}`]: '0+5x120' },
    quiet: { [`flowtoll_agent_events_dropped_total${a}`]: '7x120' },
  },
  FlowtollEntriesUncounted: {
    fires: { [`flowtoll_agent_entries_uncounted_total${a}`]: '0+5x120' },
    quiet: { [`flowtoll_agent_entries_uncounted_total${a}`]: '0x120' },
  },
  FlowtollSpoolFilling: {
    fires: { [`flowtoll_agent_queue_bytes${a}`]: '0+20000000x120' },
    quiet: { [`flowtoll_agent_queue_bytes${a}`]: '0+5000000x120' },
  },
  FlowtollAgentDisconnected: {
    fires: { [`flowtoll_agent_connected${a}`]: '1x40 0x60' },
    quiet: { [`flowtoll_agent_connected${a}`]: '1x40 0x10 1x60' },
  },
  FlowtollSpoolFailing: {
    fires: { [`flowtoll_agent_spool_failing${a}`]: '0x40 1x60', [`flowtoll_agent_state_failing${a}`]: '0x120' },
    quiet: { [`flowtoll_agent_spool_failing${a}`]: '0x120', [`flowtoll_agent_state_failing${a}`]: '0x55 1x60' },
  },
  FlowtollNodesUnwatched: {
    fires: { 'flowtoll_nodes_unwatched{instance="a:1"}': '2x120', 'flowtoll_nodes_unwatched{instance="b:1"}': '2x120' },
    quiet: { [`flowtoll_nodes_unwatched${a}`]: '0x120' },
  },
  FlowtollReportsLate: {
    fires: {
      'flowtoll_acknowledgement_lag_seconds_bucket{le="60"}': '0+1x120',
      'flowtoll_acknowledgement_lag_seconds_bucket{le="900"}': '0+10x120',
      'flowtoll_acknowledgement_lag_seconds_bucket{le="+Inf"}': '0+10x120',
    },
    quiet: {
      'flowtoll_acknowledgement_lag_seconds_bucket{le="60"}': '0+1000x120',
      'flowtoll_acknowledgement_lag_seconds_bucket{le="900"}': '0+1001x120',
      'flowtoll_acknowledgement_lag_seconds_bucket{le="+Inf"}': '0+1001x120',
    },
  },
  FlowtollNamesStale: {
    fires: { 'flowtoll_kubernetes_age_seconds{instance="a:1",resource="pods"}': '0+60x120' },
    quiet: { 'flowtoll_kubernetes_age_seconds{instance="a:1",resource="pods"}': '5 65x120' },
  },
  FlowtollPlacesUnknown: {
    fires: {
      'flowtoll_rows_total{traffic_class="unknown"}': '0+10x240',
      'flowtoll_rows_total{traffic_class="same-zone"}': '0+90x240',
    },
    quiet: {
      'flowtoll_rows_total{traffic_class="unknown"}': '0+1x240',
      'flowtoll_rows_total{traffic_class="same-zone"}': '0+99x240',
    },
    atMinutes: 180,
  },
  FlowtollPricesMissing: {
    fires: {
      'flowtoll_namespace_unpriced_bytes_total{namespace="a"}': '0+10x240',
      'flowtoll_namespace_tx_bytes_total{namespace="a"}': '0+50x240',
      'flowtoll_namespace_rx_bytes_total{namespace="a"}': '0+50x240',
    },
    quiet: {
      'flowtoll_namespace_unpriced_bytes_total{namespace="a"}': '0+4x240',
      'flowtoll_namespace_tx_bytes_total{namespace="a"}': '0+50x240',
      'flowtoll_namespace_rx_bytes_total{namespace="a"}': '0+50x240',
    },
    atMinutes: 180,
  },
  FlowtollClocksOff: {
    fires: { [`flowtoll_agent_clock_offsets_large_total${a}`]: '0x30 1x90' },
    quiet: { [`flowtoll_agent_clock_offsets_large_total${a}`]: '1x120' },
  },
  FlowtollUpkeepFailing: {
    fires: {
      'flowtoll_upkeep_rounds_total{instance="a:1",result="failed"}': '0+0.1x400',
      'flowtoll_upkeep_rounds_total{instance="a:1",result="done"}': '4x400',
    },
    // One of two fails.
    quiet: {
      'flowtoll_upkeep_rounds_total{instance="a:1",result="failed"}': '0+0.1x400',
      'flowtoll_upkeep_rounds_total{instance="a:1",result="done"}': '0+0.1x400',
    },
    atMinutes: 240,
  },
  FlowtollCheckpointsFailing: {
    fires: { 'flowtoll_checkpoints_total{instance="a:1",result="failed"}': '0x20 3x100' },
    quiet: { 'flowtoll_checkpoints_total{instance="a:1",result="failed"}': '3x120' },
  },
  FlowtollSeriesLimit: {
    fires: { 'flowtoll_series_overflows_total{instance="a:1",set="workload"}': '0+10x240' },
    quiet: { 'flowtoll_series_overflows_total{instance="a:1",set="workload"}': '0x240' },
    atMinutes: 180,
  },
  FlowtollSinkBehind: {
    fires: { 'flowtoll_sink_lag_seconds{instance="a:1",sink="castai"}': '0+60x120' },
    quiet: { 'flowtoll_sink_lag_seconds{instance="a:1",sink="castai"}': '300x120' },
  },
  FlowtollSinkRefused: {
    fires: { 'flowtoll_sink_dead_letters_total{instance="a:1",sink="castai",reason="status-400"}': '0x50 2x60' },
    quiet: { 'flowtoll_sink_dead_letters_total{instance="a:1",sink="castai",reason="status-400"}': '2x120' },
  },
  FlowtollCertificateExpiring: {
    // promtool's clock begins at zero.
    fires: { 'flowtoll_tls_certificate_expires_timestamp_seconds{instance="a:1",certificate="own"}': '500000x180' },
    quiet: { 'flowtoll_tls_certificate_expires_timestamp_seconds{instance="a:1",certificate="own"}': '900000x180' },
    atMinutes: 120,
  },
  FlowtollCostSurge: {
    // A cent a minute, then five.
    fires: { 'flowtoll_namespace_cost_usd_total{namespace="shop"}': '0+0.01x1500 15+0.05x200' },
    quiet: { 'flowtoll_namespace_cost_usd_total{namespace="shop"}': '0+0.01x1500 15+0.02x200' },
    atMinutes: 1695,
  },
};

const programs = await prometheusPrograms();

describe.runIf(programs !== undefined)('alert rules', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'flowtoll-rules-'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  test('are sound', async () => {
    expect(await promtool(programs!, 'check', 'rules', '--lint=all', '--lint-fatal', RULES)).toMatchObject({ code: 0 });
  });

  test('fire where they should, and nowhere else', async () => {
    const evaluations = Object.entries(CASES).map(([alert, { fires, quiet, atMinutes = 60 }]) =>
      [fires, quiet].map((series) => ({
        name: `${alert} ${series === fires ? 'fires' : 'is quiet'}`,
        interval: '1m',
        input_series: Object.entries(series).map(([name, values]) => ({ series: name, values })),
        promql_expr_test: [
          {
            expr: `count(ALERTS{alertname="${alert}",alertstate="firing"})`,
            eval_time: `${atMinutes}m`,
            exp_samples: series === fires ? [{ labels: '{}', value: 1 }] : [],
          },
        ],
      })),
    );
    // What takes more than a day is looked at less often: promtool evaluates all rules each time.
    const isLong = (tests: (typeof evaluations)[number]) =>
      parseInt(tests[0]!.promql_expr_test[0]!.eval_time, 10) > 1000;
    for (const [interval, tests] of [
      ['1m', evaluations.filter((tests) => !isLong(tests))],
      ['15m', evaluations.filter(isLong)],
    ] as const) {
      const file = join(folder, `every-${interval}.json`);
      await writeFile(
        file,
        JSON.stringify({ rule_files: [RULES], evaluation_interval: interval, tests: tests.flat() }),
      );
      expect(await promtool(programs!, 'test', 'rules', file)).toMatchObject({ code: 0 });
    }
  });

  test('each has a case, a runbook, and what it says of itself', async () => {
    const { groups } = parse(await readFile(RULES, 'utf8')) as {
      groups: { rules: { alert: string; labels: object; annotations: Record<string, string> }[] }[];
    };
    const rules = groups.flatMap(({ rules }) => rules);
    const names = rules.map(({ alert }) => alert).sort();
    expect(Object.keys(CASES).sort()).toEqual(names);
    expect((await readdir(RUNBOOKS)).sort()).toEqual(names.map((name) => `${name}.md`).sort());
    for (const { alert, labels, annotations } of rules) {
      expect(Object.keys(labels), alert).toEqual(['severity']);
      expect(Object.keys(annotations).sort(), alert).toEqual(['description', 'runbook_url', 'summary']);
      expect(annotations['runbook_url']).toBe(`RUNBOOKS/${alert}.md`);
      const page = await readFile(join(RUNBOOKS, `${alert}.md`), 'utf8');
      for (const part of [`# ${alert}\n`, '\n## What it means\n', '\n## What to do\n']) expect(page).toContain(part);
    }
  });
});
