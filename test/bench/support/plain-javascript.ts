// Plain JavaScript of a TypeScript module and of all that it imports by relative path, in the test cache. The images hold
// JavaScript as well: Node's own TypeScript loader takes 18 MB that no user of the agent pays.
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { dirname, join, relative, resolve } from 'node:path';

const repository = join(import.meta.dirname, '../../..');
const outputDirectory = join(repository, 'test/.cache/bench/js');
const relativeImport = /(\bfrom\s+|\bimport\s+|\bimport\(|\bnew URL\()['"](\.{1,2}\/[^'"]+)\.(ts|json)['"]/g;
const protoImport = /(\bfrom\s+)'@flowtoll\/proto'/g;
const protoSource = join(repository, 'proto/src/index.ts');

function copy(source: string): void {
  const target = join(outputDirectory, relative(repository, source));
  mkdirSync(dirname(target), { recursive: true });
  copyFileSync(source, target);
}

/** Writes the JavaScript of `file` and its imports; returns the path of the first. */
export function plainJavaScript(file: string): string {
  const done = new Set<string>();
  const convert = (source: string): string => {
    const target = join(outputDirectory, relative(repository, source)).replace(/\.ts$/, '.js');
    if (done.has(source)) return target;
    done.add(source);
    const text = stripTypeScriptTypes(readFileSync(source, 'utf8'))
      .replace(protoImport, (_, before: string) => `${before}'${convert(protoSource)}'`)
      .replace(relativeImport, (_, before: string, path: string, kind: string) => {
        const imported = resolve(dirname(source), `${path}.${kind}`);
        if (kind === 'ts') convert(imported);
        else copy(imported);
        return `${before}'${path}.${kind === 'ts' ? 'js' : kind}'`;
      });
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, text);
    return target;
  };
  return convert(resolve(file));
}
