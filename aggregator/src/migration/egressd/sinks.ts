// egressd's sinks → those of `aggregator.sinks`. Knows both formats.
import { SINK_NAME } from '../../sinks/config.ts';
import type { Remarks } from './remarks.ts';
import type { SourceValues } from './source-values.ts';

/** What the collectors are told that is a matter of sinks here. */
export interface CollectorHabits {
  readonly groupsPublicIps: boolean;
  readonly excludedNamespaces: readonly string[];
  /** egressd's delta of traffic, or sums that grow. */
  readonly sendsDeltas: boolean;
}

const INTERVAL_DEFAULT = '60s';

/** @param sinks the exporter's `sinks` */
export function migrateSinks(
  sinks: SourceValues,
  interval: string | undefined,
  habits: CollectorHabits,
  remarks: Remarks,
): Record<string, object> {
  const migrated: Record<string, object> = {};
  for (const key of sinks.keys()) {
    const name = sinkName(key);
    const path = sinks.path(key);
    if (name !== key) remarks.changed(path, `is named ${name} here: names are lower-case letters, digits and "-"`);
    const sink = sinks.below(key);
    const common = {
      ...(interval !== undefined && interval !== INTERVAL_DEFAULT && { interval }),
      ...(habits.excludedNamespaces.length > 0 && {
        excludeNamespaces: habits.excludedNamespaces,
      }),
      ...(habits.groupsPublicIps && { groupPublicIps: true }),
    };
    if (sink.has('http')) {
      migrated[name] = {
        type: 'http',
        ...httpSettings(sink.below('http'), remarks),
        ...common,
      };
      if (!habits.sendsDeltas) {
        remarks.changed(
          path,
          'gets what was added since the request before; send-traffic-delta=false sent sums that grow',
        );
      }
    } else if (sink.has('prom_remote_write')) {
      migrated[name] = {
        type: 'prometheus-remote-write',
        ...remoteWriteSettings(sink.below('prom_remote_write'), remarks),
        ...common,
      };
      remarks.changed(
        path,
        "gets Flowtoll's own series beside egressd's, and egressd's values are what was added since the sample before (docs/prometheus.md); `series: []` leaves the own ones out",
      );
    } else {
      remarks.todo(path, 'is of a kind that is not known here: egressd has http and prom_remote_write');
    }
    sink.sayRest(remarks);
  }
  return migrated;
}

function httpSettings(http: SourceValues, remarks: Remarks): object {
  const method = http.text('method')?.toUpperCase();
  const compression = http.text('compression');
  const encoding = http.text('encoding');
  if (encoding !== undefined && encoding !== 'protobuf') {
    remarks.todo(http.path('encoding'), `is ${encoding}, which egressd does not have; protobuf is taken`);
  }
  const settings = {
    ...requestSettings(http, remarks),
    ...(method !== undefined && method !== 'POST' && { method }),
    // Where it says nothing egressd does not compress.
    ...(compression !== 'gzip' && { compression: 'none' }),
  };
  http.sayRest(remarks);
  return settings;
}

function remoteWriteSettings(remote: SourceValues, remarks: Remarks): object {
  const labels = remote.value('labels');
  const settings = {
    ...requestSettings(remote, remarks),
    ...(labels !== undefined && { labels }),
    ...(remote.isOn('sendReceivedBytesMetric') && {
      sendReceivedBytesMetric: true,
    }),
  };
  remote.sayRest(remarks);
  return settings;
}

function requestSettings(request: SourceValues, remarks: Remarks): object {
  const url = request.text('url');
  const headers = request.value('headers');
  const timeout = request.text('timeout');
  if (url === undefined) remarks.todo(request.path('url'), 'is missing: say where to send to');
  const time = timeout === undefined ? undefined : plainTime(timeout);
  if (timeout !== undefined && time === undefined) {
    remarks.todo(request.path('timeout'), `is ${timeout}, which is no time; the default of 30s is taken`);
  }
  return {
    ...(url !== undefined && { url: braced(url) }),
    ...(headers !== undefined && {
      headers: Object.fromEntries(
        Object.entries(headers as object).map(([name, value]) => [name, braced(String(value))]),
      ),
    }),
    ...(time !== undefined && time !== '30s' && { timeout: time }),
  };
}

/** Go expands $NAME, too. */
function braced(text: string): string {
  return text.replaceAll(/\$([A-Za-z_][A-Za-z0-9_]*)/g, (_, name: string) => `\${${name}}`);
}

const UNIT_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

/** A time as Go writes it ("1m30s") with one unit; undefined for other text. */
export function plainTime(text: string): string | undefined {
  if (!/^(\d+(\.\d+)?(ms|s|m|h))+$/.test(text)) return undefined;
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)];
  if (parts.length === 1) return text;
  const ms = parts.reduce((sum, [, amount, unit]) => sum + Number(amount) * UNIT_MS[unit!]!, 0);
  return ms % 1000 === 0 ? `${ms / 1000}s` : `${Math.round(ms)}ms`;
}

function sinkName(key: string): string {
  if (SINK_NAME.test(key)) return key;
  return (
    key
      .toLowerCase()
      .replaceAll(/[^a-z0-9]+/g, '-')
      .replaceAll(/^-+|-+$/g, '')
      .slice(0, 63) || 'sink'
  );
}
