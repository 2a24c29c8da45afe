// What `flowtoll watch` prints: a table that is drawn again and again, lines for people, or JSON lines. Figures come from the
// messages; decides looks only.
import { isFieldSet } from '@bufbuild/protobuf';
import { timestampDate } from '@bufbuild/protobuf/wkt';
import { RewindSchema, type Rows, type WatchResponse } from '@flowtoll/proto';
import type { FlowStreamEvent } from '../client/flow-stream.ts';
import { type CellRow, rowsOf } from '../client/row-cells.ts';
import { type Talk, TopTalkers } from '../client/top-talkers.ts';
import { type Cell, cellJson } from '../query/cell.ts';
import { printable, renderTable, type TextColumn } from '../query/text-table.ts';
import { bytesText, countText, usdText } from '../query/units.ts';

/** Prints what happens. */
export interface WatchPrinter {
  /** Columns that it needs; none: all. */
  readonly columns: readonly string[];
  /** Text to write for the event; empty for none. */
  print(event: FlowStreamEvent): string;
  /** Text to write when nothing has happened for a while, or at the end. */
  redraw(): string;
}

/** Columns of which a row's two ends and its cost are made. */
const TALK_COLUMNS: readonly string[] = [
  ...['window_end', 'node', 'local_kind', 'namespace', 'workload', 'pod', 'traffic_class', 'loss_reason'],
  ...['peer_kind', 'peer_node', 'peer_namespace', 'peer_workload', 'peer_pod', 'peer_name', 'peer_ip'],
  ...['tx_bytes', 'rx_bytes', 'tx_cost', 'rx_cost', 'processing_cost'],
];

/** One JSON object a line: rows, and what is no row under the key "event". */
export function jsonPrinter(columns: readonly string[]): WatchPrinter {
  return {
    columns,
    print(event) {
      if (event.kind === 'message' && event.message.event.case === 'rows') {
        const rows = event.message.event.value;
        const head = { version: rows.version, commit_time: commitTime(rows) };
        return rowsOf(rows)
          .map((row) => `${cellJson({ ...head, ...row, ...labelsOf(row) })}\n`)
          .join('');
      }
      const remark = remarkOf(event);
      return remark === undefined ? '' : `${cellJson(remark.json)}\n`;
    },
    redraw: () => '',
  };
}

/** Labels are an object, as `flowtoll sql` prints them. */
function labelsOf({ labels }: CellRow): { readonly labels?: Cell } {
  return typeof labels === 'string' ? { labels: JSON.parse(labels) as Cell } : {};
}

/** One line a row, for people whose output is no terminal. */
export function linePrinter(): WatchPrinter {
  return {
    columns: TALK_COLUMNS,
    print(event) {
      if (event.kind === 'message' && event.message.event.case === 'rows') {
        return rowsOf(event.message.event.value).map(lineOf).join('');
      }
      const remark = remarkOf(event);
      return remark === undefined ? '' : `# ${printable(remark.text)}\n`;
    },
    redraw: () => '',
  };
}

function lineOf(row: CellRow): string {
  const talk = talkOf(row);
  const time = String(row['window_end']).slice(0, 19);
  const cost = talk.cost === null ? '?' : usdText(talk.cost);
  const loss = row['loss_reason'] === null ? '' : `  ${row['loss_reason']}`;
  // Names are whatever somebody has called a workload or a host.
  return `${printable(
    `${time}Z  ${talk.local} → ${talk.peer}  ${talk.trafficClass}${loss}  ` +
      `${bytesText(talk.txBytes)} sent  ${bytesText(talk.rxBytes)} received  ${cost}`,
  )}\n`;
}

export interface LiveTableOptions {
  readonly top: number;
  /** How much of the newest data counts, in ms. */
  readonly spanMs: number;
  /** "last 5m" */
  readonly spanText: string;
}

/** Clears the terminal from the first line on. */
const HOME = '\u001b[H\u001b[J';
const REMARKS_MAX = 5;

/** The costliest pairs of the newest minutes, for a terminal; `redraw` draws them. */
export function liveTablePrinter({ top, spanMs, spanText }: LiveTableOptions): WatchPrinter {
  const talkers = new TopTalkers(spanMs);
  const remarks: string[] = [];
  const losses = new Map<string, bigint>();
  let rows = 0n;
  let status = 'waiting for the first commit';
  return {
    columns: TALK_COLUMNS,
    print(event) {
      const remark = remarkOf(event);
      if (remark !== undefined && remarks.push(remark.text) > REMARKS_MAX) remarks.shift();
      if (event.kind !== 'message') return '';
      status = statusOf(event.message) ?? status;
      if (event.message.event.case !== 'rows') return '';
      for (const row of rowsOf(event.message.event.value)) {
        rows++;
        const reason = row['loss_reason'];
        if (typeof reason === 'string') losses.set(reason, (losses.get(reason) ?? 0n) + 1n);
        else if (row['traffic_class'] !== 'encapsulation') talkers.add(talkOf(row));
      }
      return '';
    },
    redraw() {
      const { talkers: shown, pairs, total } = talkers.top(top);
      const columns: TextColumn[] = [
        { title: 'FROM', align: 'left' },
        { title: 'TO', align: 'left' },
        { title: 'CLASS', align: 'left' },
        { title: 'SENT', align: 'right' },
        { title: 'RECEIVED', align: 'right' },
        { title: 'COST (USD)', align: 'point' },
      ];
      const cells = (one: (typeof shown)[number]) => [
        one.local,
        one.peer,
        one.trafficClass,
        bytesText(one.txBytes),
        bytesText(one.rxBytes),
        one.cost === null ? '?' : usdText(one.cost),
      ];
      const hidden = pairs > shown.length ? ` of ${countText(BigInt(pairs))} pairs` : '';
      const lines = [
        `Costliest ${shown.length}${hidden}, ${spanText} of data up to ${newestText(talkers.newestUs)}; ${status}`,
        '',
        ...renderTable(columns, shown.map(cells), [['Total', ...cells(total).slice(1)]]),
        '',
        ...[...losses].map(
          ([reason, count]) => `lost: ${printable(reason)}, ${countText(count)} rows since the beginning`,
        ),
        ...remarks.map(printable),
        `${countText(rows)} rows since the beginning. Ctrl-C ends.`,
      ];
      return `${HOME}${lines.join('\n')}\n`;
    },
  };
}

function newestText(us: bigint | undefined): string {
  return us === undefined ? 'now' : `${new Date(Number(us / 1000n)).toISOString().slice(0, 19)}Z`;
}

function statusOf({ event }: WatchResponse): string | undefined {
  if (event.case !== 'progress') return undefined;
  const { version, newestVersion, caughtUp } = event.value;
  return caughtUp ? `version ${version}, up to date` : `version ${version} of ${newestVersion}`;
}

/** Two ends and a price, in the words of the report. */
function talkOf(row: CellRow): Talk {
  const text = (name: string): string | null => (row[name] === null ? null : String(row[name]));
  const number = (name: string): bigint => (typeof row[name] === 'bigint' ? row[name] : 0n);
  const costs = ['tx_cost', 'rx_cost', 'processing_cost'].flatMap((name) => picoOf(row[name] ?? null));
  const workload = text('workload') ?? text('pod');
  const namespace = text('namespace');
  const node = `node/${text('node')}`;
  return {
    windowEndUs: BigInt(Date.parse(String(row['window_end']))) * 1000n,
    local: workload === null ? node : namespace === null ? workload : `${namespace}/${workload}`,
    peer: peerOf(text),
    trafficClass: text('traffic_class') ?? 'unknown',
    txBytes: number('tx_bytes'),
    rxBytes: number('rx_bytes'),
    cost: costs.length === 0 ? null : costs.reduce((sum, cost) => sum + cost, 0n),
  };
}

function peerOf(text: (name: string) => string | null): string {
  const workload = text('peer_workload') ?? text('peer_pod');
  if (workload !== null) {
    const namespace = text('peer_namespace');
    return namespace === null ? workload : `${namespace}/${workload}`;
  }
  const name = text('peer_name');
  if (name !== null) return name;
  if (text('peer_kind') === 'node' && text('peer_node') !== null) return `node/${text('peer_node')}`;
  return text('peer_ip') ?? text('peer_kind') ?? '-';
}

/** Decimal text → 1e-12 USD. */
function picoOf(decimal: string | bigint | null): bigint[] {
  return typeof decimal === 'string' ? [BigInt(decimal.replace('.', ''))] : [];
}

function commitTime({ commitTime: time }: Rows): string | null {
  return time === undefined ? null : timestampDate(time).toISOString();
}

interface Remark {
  readonly text: string;
  readonly json: Cell;
}

/** What is no row and somebody should know. */
export function remarkOf(event: FlowStreamEvent): Remark | undefined {
  if (event.kind === 'expired') {
    const { missedFromVersion, missedToVersion, missedFromTime, missedToTime } = event.missed;
    const from = missedFromTime === undefined ? null : timestampDate(missedFromTime).toISOString();
    const to = missedToTime === undefined ? null : timestampDate(missedToTime).toISOString();
    return {
      text:
        `missed: versions ${missedFromVersion} to ${missedToVersion}, committed from ${from ?? 'an unknown time'} to ` +
        `${to ?? 'an unknown time'}, can no longer be told; read that time from the table`,
      json: {
        event: 'missed',
        from_version: missedFromVersion,
        to_version: missedToVersion,
        from_time: from,
        to_time: to,
      },
    };
  }
  const { event: said } = event.message;
  if (said.case === 'removal') {
    const { version, dates, rewritten } = said.value;
    return {
      text: `version ${version} ${rewritten ? 'rewrote' : 'removed'} rows of ${dates.join(', ') || 'unknown days'}`,
      json: { event: rewritten ? 'rewritten' : 'removed', version, dates },
    };
  }
  if (said.case === 'rewind') {
    const common = isFieldSet(said.value, RewindSchema.field.lastCommonVersion) ? said.value.lastCommonVersion : null;
    return {
      text:
        common === null
          ? 'the table is another one: what came before is not in it'
          : `the table was set back: what came of versions above ${common} may not be in it`,
      json: { event: 'rewind', last_common_version: common ?? null },
    };
  }
  return undefined;
}
