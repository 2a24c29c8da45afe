// The benchmark's C programs: compiled when their source is newer than the binary, into the test cache. Knows the C
// compiler and nothing of what the programs do.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

const sourceDirectory = join(import.meta.dirname, '../native');
const binaryDirectory = join(import.meta.dirname, '../../.cache/bench');
const compilerOptions = ['-O2', '-std=gnu17', '-Wall', '-Wextra', '-pthread'];

/** Path of the compiled program `name` (native/<name>.c); throws with the compiler's words when it does not compile. */
export function nativeProgram(name: string): string {
  mkdirSync(binaryDirectory, { recursive: true });
  const source = join(sourceDirectory, `${name}.c`);
  const binary = join(binaryDirectory, name);
  const headers = readdirSync(sourceDirectory).filter((file) => file.endsWith('.h'));
  const newest = Math.max(modifiedMs(source), ...headers.map((file) => modifiedMs(join(sourceDirectory, file))));
  if (modifiedMs(binary) < newest) {
    execFileSync(process.env['CC'] ?? 'cc', [...compilerOptions, '-o', binary, source], { stdio: 'inherit' });
  }
  return binary;
}

function modifiedMs(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}
