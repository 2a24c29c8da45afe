// `node images/bundle.ts [agent|aggregator]… --out FOLDER`: makes each program one folder of JavaScript that needs no
// node_modules: for the agent one file and one for its thread, for the aggregator also files that are loaded when they are used. Native
// code is not in it: images/assemble.ts puts it into `native/`. The same sources give the same bytes, wherever they lie.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';
import { BUNDLE_OPTIONS } from './parts/bundle-options.ts';
import { builtinsByRequire, leftOut, nativesBeside, threadFile, threadsBeside } from './parts/bundle-plugins.ts';
import { type NpmPackage, notices, packagesOf } from './parts/bundled-packages.ts';
import { withoutComments } from './parts/comments.ts';
import { NODE } from './parts/layout.ts';
import { PROGRAMS, type Program, type ProgramName } from './parts/programs.ts';

const ROOT = join(import.meta.dirname, '..');

/** A program as files. */
export interface Bundle {
  readonly program: Program;
  /** Name of the file that is run. */
  readonly main: string;
  /** Files by name, all in one folder. */
  readonly files: ReadonlyMap<string, Uint8Array>;
  /** What is in it of others. */
  readonly packages: readonly NpmPackage[];
}

/** @param root the repository: this one by default */
export async function bundle(name: ProgramName, root = ROOT): Promise<Bundle> {
  const program = PROGRAMS[name];
  const main = `${program.command}.mjs`;
  const entries = [{ in: program.main, out: program.command }].concat(
    program.threads.map((thread) => ({ in: thread, out: basename(threadFile(thread), '.mjs') })),
  );
  const { outputFiles, metafile } = await build({
    absWorkingDir: root,
    entryPoints: entries,
    outdir: join(root, 'out'),
    write: false,
    metafile: true,
    ...BUNDLE_OPTIONS,
    splitting: program.split,
    external: ['./native/*'],
    plugins: [threadsBeside(program), nativesBeside(program), leftOut(program), builtinsByRequire()],
  });
  const files = new Map<string, Uint8Array>();
  const outputs = outputFiles.toSorted((a, b) => (a.path < b.path ? -1 : 1));
  const codes = await Promise.all(outputs.map(({ contents }) => withoutComments(Buffer.from(contents).toString())));
  outputs.forEach(({ path }, index) => {
    const file = basename(path);
    files.set(file, Buffer.from(file === main ? withInterpreter(codes[index]!) : codes[index]!));
  });
  const packages = packagesOf(root, Object.keys(metafile.inputs));
  files.set('THIRD-PARTY-NOTICES', Buffer.from(notices(packages)));
  files.set('LICENSE', readFileSync(join(root, 'LICENSE')));
  return { program, main, files, packages };
}

/** The first line says which Node runs the file. */
function withInterpreter(code: string): string {
  return `#!${NODE}\n${code.replace(/^#!.*\n/, '')}`;
}

/** Writes a bundle into a folder, which is made. */
export function writeBundle({ main, files }: Bundle, folder: string): void {
  mkdirSync(folder, { recursive: true });
  for (const [file, bytes] of files) writeFileSync(join(folder, file), bytes, { mode: file === main ? 0o755 : 0o644 });
}

if (import.meta.main) {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { out: { type: 'string' } } });
  const names = positionals.length > 0 ? positionals : Object.keys(PROGRAMS);
  const unknown = names.find((name) => !(name in PROGRAMS));
  if (values.out === undefined || unknown !== undefined) {
    process.stderr.write('usage: node images/bundle.ts [agent|aggregator]… --out FOLDER\n');
    process.exit(2);
  }
  for (const name of names as ProgramName[]) {
    const made = await bundle(name);
    writeBundle(made, join(values.out, name));
    const bytes = [...made.files.values()].reduce((sum, { length }) => sum + length, 0);
    process.stdout.write(`${join(values.out, name)}: ${made.files.size} files, ${Math.round(bytes / 1024)} KiB\n`);
  }
}
