// npm run bench -- NAME [options]: runs the benchmark of that name, test/bench/NAME.ts.
const names = [
  'agent',
  'agent-start',
  'ingest',
  'kubernetes',
  'log',
  'names',
  'pricing',
  'query',
  'ranges',
  'size',
  'watch',
  'wire',
];

const [name = '', ...args] = process.argv.slice(2);
if (!names.includes(name)) {
  process.stderr.write(`usage: npm run bench -- ${names.join('|')} [options]\n`);
  process.exit(2);
}
const benchmark = (await import(`./${name}.ts`)) as { run(args: readonly string[]): Promise<void> };
await benchmark.run(args);
