import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { priceInputJsonSchema } from '../billing/price-input.ts';
import { FlowtollError } from '../model/errors.ts';
import { priceCommand } from './price.ts';

const DOCS = new URL('../../../docs/', import.meta.url);

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'flowtoll-price-'));
});

afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

interface Run {
  readonly out: string;
  readonly remarks: string;
  readonly exitCodes: readonly number[];
}

async function run(args: readonly string[], stdin = ''): Promise<Run> {
  const parts = { out: '', remarks: '' };
  const exitCodes: number[] = [];
  const output = {
    write: async (text: string) => {
      parts.out += text;
    },
    remark: (text: string) => {
      parts.remarks += text;
    },
  };
  const command = priceCommand(
    (code) => exitCodes.push(code),
    () => output,
    Readable.from([Buffer.from(stdin)]),
  ).exitOverride();
  await command.parseAsync([...args], { from: 'user' });
  return { ...parts, exitCodes };
}

function file(name: string, text: string): string {
  const path = join(directory, name);
  writeFileSync(path, text);
  return path;
}

/** JSON of a document with one provider's flows. */
async function priced(document: unknown): Promise<ReturnType<typeof JSON.parse>> {
  return JSON.parse(
    (await run(['-', '--format', 'json'], JSON.stringify({ version: 1, date: '2026-11-10', ...Object(document) }))).out,
  );
}

async function refusal(document: unknown): Promise<string> {
  const error = await priced(document).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(FlowtollError);
  expect((error as FlowtollError).code).toBe('PRICING_INVALID');
  return (error as FlowtollError).message;
}

const AWS = { provider: 'aws', region: 'us-east-1', zone: 'us-east-1a' };
const TO_INTERNET = { local: AWS, peer: { kind: 'internet' } };

describe('docs/calculator.md', () => {
  const page = readFileSync(new URL('calculator.md', DOCS), 'utf8');
  const block = (language: string) => new RegExp(`\`\`\`${language}\n([^]*?)\`\`\``).exec(page)![1]!;

  test('the example prints what the page says', async () => {
    const { out, exitCodes } = await run([file('shop.yaml', block('yaml'))]);
    expect(out).toBe(block('text'));
    expect(exitCodes).toEqual([]);
  });

  test('price-input.schema.json is current; if not, run `npm run generate`', () => {
    const committed = readFileSync(new URL('price-input.schema.json', DOCS), 'utf8');
    expect(JSON.parse(committed)).toEqual(priceInputJsonSchema());
  });
});

describe('what is refused', () => {
  test('everything that is wrong is named with its place', async () => {
    const message = await refusal({
      date: undefined,
      pricing: { version: 1, paths: [{ name: 'a', path: 'catapult' }] },
      flows: [
        { local: { zone: 'us-east-1a' }, peer: { kind: 'internet', service: 'S3' }, path: 'wormhole' },
        { date: '2026-11-10', local: AWS, peer: { kind: 'provider-service', network: 'nowhere' } },
        { ...TO_INTERNET, date: '2026-11-10', path: { path: 'load-balancer', switches: { 'load-balancer': 'round' } } },
        { local: AWS, date: '2026-11-10', peer: { kind: 'internet', destination: 'china' } },
      ],
    });
    expect(message.split('\n').map((line) => line.trim().split(': ')[0])).toEqual([
      'price input standard input has 9 problems:',
      'pricing.paths[0].path',
      'flows[0].date',
      'flows[0].local.zone',
      'flows[0].peer.service',
      'flows[0].path',
      'flows[1].peer.service',
      'flows[1].peer.network',
      'flows[2].path.switches.load-balancer',
      'flows[3].peer.destination',
    ]);
  });

  test.each([
    [{ txBytes: -1 }, 'flows[0].txBytes: Too small'],
    [{ txBytes: '1.5' }, 'flows[0].txBytes: "1.5" is no count of bytes'],
    [{ txBytes: '0.1 B' }, 'flows[0].txBytes: 0.1 B are no whole bytes'],
    [{ txBytes: '9 PiB' }, 'flows[0].txBytes: 9 PiB are more than 9007199254740991 bytes'],
    [{ path: 7 }, 'flows[0].path: Give a path word'],
    [{ date: '2026-13-01' }, 'flows[0].date'],
    [{ txBites: 1 }, 'flows[0]: unknown key txBites'],
    [{ peer: { kind: 'internet', ip: '10.1' } }, 'flows[0].peer.ip: "10.1" is not a prefix'],
  ])('%j', async (fields, message) => {
    expect(await refusal({ flows: [{ ...TO_INTERNET, ...fields }] })).toContain(message);
  });

  test('pricing twice', async () => {
    const document = { pricing: { version: 1 }, flows: [TO_INTERNET] };
    expect(await refusal({ ...document, pricingFile: 'x.yaml' })).toContain('pricing');
    const pricing = file('pricing.yaml', 'version: 1\n');
    const input = file('input.json', JSON.stringify({ version: 1, date: '2026-11-10', ...document }));
    await expect(run([input, '--pricing', pricing])).rejects.toThrow('has a pricing configuration of its own');
  });

  test('an address that is not in the network that is named beside it', async () => {
    const networks = [{ name: 'a', kind: 'peered', ranges: ['10.1.0.0/16'] }];
    const peer = { kind: 'private', network: 'a', ip: '10.2.0.1' };
    expect(await refusal({ pricing: { version: 1, networks }, flows: [{ local: AWS, peer }] })).toContain(
      'flows[0].peer.ip: 10.2.0.1 is in no network, not in a',
    );
  });
});

describe('what counts', () => {
  test('a row that costs a million is an error, the others are priced', async () => {
    const local = { provider: 'aws', region: 'af-south-1' };
    const flows = [
      { local, peer: { kind: 'internet' }, txBytes: '7 PiB' },
      { ...TO_INTERNET, txBytes: '1 GiB' },
    ];
    const input = file('input.json', JSON.stringify({ version: 1, date: '2026-11-10', flows }));
    const { out, remarks, exitCodes } = await run([input, '--format', 'csv']);
    expect(out.split('\n').slice(1, 3)).toEqual([
      'flow 1,2026-11-10,1,internet,,7881299347898368,0,,,,aws@2026-11-23,none,PRICE_OVERFLOW',
      'flow 2,2026-11-10,1,internet,,1073741824,0,0.090000000000,0.000000000000,0.000000000000,aws@2026-11-23,exact,',
    ]);
    expect(remarks).toContain('PRICE_OVERFLOW: flows[0]: ');
    expect(exitCodes).toEqual([1]);
  });

  test('text with units is exact', async () => {
    const { flows } = await priced({ flows: [{ ...TO_INTERNET, txBytes: '1.5 GiB', rxBytes: '0.000000001 GB' }] });
    expect(flows[0]).toMatchObject({ tx_bytes: 1_610_612_736, rx_bytes: 1 });
  });

  test('rows are rounded one by one, the month once', async () => {
    // 9.313… picodollars a byte.
    const peer = { kind: 'pod', ...AWS, zone: 'us-east-1b' };
    const { flows, months } = await priced({ flows: [{ local: AWS, peer, txBytes: 1, times: 1000 }] });
    expect(flows[0].tx_cost_usd).toBe('0.000000000009');
    expect(months[0]).toMatchObject({ rows_total_usd: '0.000000009000', total_usd: '0.000000009313' });
  });

  test('each month has its own free amount; what was before counts in its month alone', async () => {
    const flow = { ...TO_INTERNET, txBytes: '60 GiB' };
    const { months } = await priced({
      soFar: [{ ...flow, date: '2026-11-01' }],
      flows: [
        { ...flow, date: '2026-12-31' },
        { ...flow, date: '2026-11-30' },
        { ...flow, date: '2026-12-01' },
      ],
    });
    // November: 40 of 60 are free. December: 100 of 120.
    expect(months.map(({ month, total_usd }: Record<string, string>) => [month, total_usd])).toEqual([
      ['2026-11', '1.800000000000'],
      ['2026-12', '1.800000000000'],
    ]);
  });

  test('a path of its own goes before the rules, and is said not to be where it cannot be', async () => {
    const pricing = { version: 1, paths: [{ name: 'all', path: 'load-balancer' }] };
    const inside = { local: AWS, peer: { kind: 'pod', ...AWS }, path: 'nat-gateway', txBytes: 1 };
    const { flows } = await priced({ pricing, flows: [{ ...TO_INTERNET, path: 'nat-gateway' }, TO_INTERNET, inside] });
    expect(flows).toMatchObject([
      { path: 'nat-gateway', rule: 'path of the flow', ignored_path: null },
      { path: 'load-balancer', rule: 'all', ignored_path: null },
      { path: null, ignored_path: 'nat-gateway' },
    ]);
  });

  test('a private rate of a provider without a book', async () => {
    const rate = {
      provider: 'own',
      class: 'cross-region',
      directions: ['out', 'in'],
      usdPerUnit: '0.5',
      unitBytes: 1e9,
    };
    const flow = {
      local: { provider: 'own', region: 'a' },
      peer: { kind: 'pod', provider: 'own', region: 'b' },
      txBytes: '3 GB',
    };
    const { flows, months } = await priced({ pricing: { version: 1, privateRates: [rate] }, flows: [flow] });
    expect(flows[0]).toMatchObject({ tx_cost_usd: '1.500000000000', price_book: null, price_basis: 'exact' });
    expect(months[0].providers).toMatchObject([{ provider: 'own', total_usd: '1.500000000000' }]);
  });

  test('an address in a network, and a network in place of an address, are the same', async () => {
    const networks = [
      { name: 'far', kind: 'peered', ranges: ['10.1.0.0/16'], provider: 'aws', region: 'eu-west-1' },
      { name: 'hole', kind: 'on-premises', ranges: ['10.1.0.0/24'] },
    ];
    const flows = [{ network: 'far' }, { ip: '10.1.7.7' }].map((peer) => ({
      local: AWS,
      peer: { kind: 'private', ...peer },
    }));
    const result = await priced({ pricing: { version: 1, networks }, flows });
    expect(result.flows).toMatchObject([
      { class: 'peered', relation: 'cross-region' },
      { class: 'peered', relation: 'cross-region' },
    ]);
  });

  test('files that a document names lie beside it', async () => {
    file('pricing.yaml', 'version: 1\ndiscounts: [{ percent: "50", provider: aws }]\n');
    const document = {
      version: 1,
      date: '2026-11-10',
      pricingFile: 'pricing.yaml',
      flows: [{ ...TO_INTERNET, txBytes: '1 GiB' }],
    };
    const { out } = await run([file('input.json', JSON.stringify(document)), '--format', 'json']);
    expect(JSON.parse(out).flows[0].tx_cost_usd).toBe('0.045000000000');
  });
});
