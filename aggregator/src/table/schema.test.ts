import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { checkSchema, columnsPage, deltaSchemaString, sqlType, TABLE_COLUMNS } from './schema.ts';

/** The columns in their order: `name type`, "!" where null is not allowed. */
const GOLDEN = `
window_start timestamp! window_end timestamp!
cluster text! provider text region text zone text node text! local_kind text namespace text workload_kind text
workload text pod text labels map ip text
peer_kind text peer_cluster text peer_provider text peer_region text peer_zone text peer_node text
peer_namespace text peer_workload_kind text peer_workload text peer_pod text peer_name text peer_ip text
protocol text port integer service text initiator text resolution text
tx_bytes long tx_packets long rx_bytes long rx_packets long connections long loss_reason text lost_bytes_max long
traffic_class text! path text tx_cost decimal rx_cost decimal processing_cost decimal price_book text price_basis text
direction_basis text
date date!`;

test('the columns of the table', () => {
  const columns = TABLE_COLUMNS.map((column) => `${column.name} ${column.type}${column.nullable ? '' : '!'}`).join(' ');
  expect(columns).toBe(GOLDEN.trim().replaceAll('\n', ' '));
});

test('types in the words of Delta and of DuckDB', () => {
  const { type, fields } = JSON.parse(deltaSchemaString()) as {
    type: string;
    fields: { name: string; type: unknown }[];
  };
  expect(type).toBe('struct');
  const byName = new Map(fields.map((field) => [field.name, field.type]));
  expect(byName.get('window_start')).toBe('timestamp');
  expect(byName.get('namespace')).toBe('string');
  expect(byName.get('labels')).toEqual({
    type: 'map',
    keyType: 'string',
    valueType: 'string',
    valueContainsNull: true,
  });
  expect(byName.get('port')).toBe('integer');
  expect(byName.get('tx_bytes')).toBe('long');
  expect(byName.get('tx_cost')).toBe('decimal(18,12)');
  expect(byName.get('date')).toBe('date');
  expect(['timestamp', 'map', 'decimal', 'date'].map((t) => sqlType(t as Parameters<typeof sqlType>[0]))).toEqual([
    'TIMESTAMPTZ',
    'MAP(VARCHAR, VARCHAR)',
    'DECIMAL(18,12)',
    'DATE',
  ]);
});

test('docs/columns.md is what the columns say; if not, run: npm run generate', async () => {
  expect(await readFile(new URL('../../../docs/columns.md', import.meta.url), 'utf8')).toBe(columnsPage());
});

describe('a table of another version is refused', () => {
  const schema = JSON.parse(deltaSchemaString()) as { fields: { name: string; type: unknown; nullable: boolean }[] };
  const changed = (change: (fields: typeof schema.fields) => unknown) => {
    const copy = structuredClone(schema);
    change(copy.fields);
    return JSON.stringify(copy);
  };
  for (const { name, text, message } of [
    { name: 'a column less', text: changed((fields) => fields.splice(3, 1)), message: /lacks.*: provider\b/ },
    {
      name: 'a column more',
      text: changed((f) => f.push({ name: 'x', type: 'string', nullable: true })),
      message: /: x\b/,
    },
    { name: 'another type', text: changed((f) => Object.assign(f[0]!, { type: 'date' })), message: /window_start/ },
    { name: 'no schema', text: 'nothing', message: /cannot be read/ },
  ]) {
    test(name, () => {
      expect(() => checkSchema(text, 'demo/flows')).toThrow(expect.objectContaining({ code: 'TABLE_INVALID' }));
      expect(() => checkSchema(text, 'demo/flows')).toThrow(message);
    });
  }

  test('other comments are none of our business', () => {
    const text = changed((fields) => Object.assign(fields[0]!, { metadata: { comment: 'other' } }));
    expect(() => checkSchema(text, 'demo/flows')).not.toThrow();
  });
});
