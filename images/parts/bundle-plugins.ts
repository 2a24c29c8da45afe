// What esbuild has to be told: threads are files of their own, and native code lies beside the bundle. Knows esbuild's plugins;
// the packages are named by parts/programs.ts.
import { readFile } from 'node:fs/promises';
import { builtinModules, createRequire } from 'node:module';
import { basename } from 'node:path';
import type { Plugin } from 'esbuild';
import type { Program } from './programs.ts';

const requireHere = createRequire(import.meta.url);

/** Name of the file that a thread's source becomes. */
export function threadFile(source: string): string {
  return `${basename(source, '.ts')}.mjs`;
}

/** Sources name a thread's file as it lies in the repository; in a bundle all files lie in one folder. */
export function threadsBeside(program: Program): Plugin {
  const found = new Set<string>();
  return {
    name: 'threads-beside',
    setup(build) {
      build.onLoad({ filter: /\/(agent|aggregator|proto)\/src\/.*\.ts$/ }, async ({ path }) => {
        const source = await readFile(path, 'utf8');
        const contents = source.replaceAll(/new URL\('([^']+\.ts)', import\.meta\.url\)/g, (_, target: string) => {
          const thread = program.threads.find((file) => basename(file) === basename(target));
          if (thread === undefined) throw new Error(`${path} starts ${target}, which is no thread of ${program.name}`);
          found.add(thread);
          return `new URL('./${threadFile(thread)}', import.meta.url)`;
        });
        return { contents, loader: 'ts' };
      });
      build.onEnd(() => {
        const unused = program.threads.filter((thread) => !found.has(thread));
        return { errors: unused.map((thread) => ({ text: `nothing starts ${thread}` })) };
      });
    },
  };
}

/** Native packages are loaded from `native/`; those of other systems are left out. */
export function nativesBeside({ natives }: Program): Plugin {
  return {
    name: 'natives-beside',
    setup(build) {
      natives.forEach((native, index) => {
        build.onResolve({ filter: native.imported }, () => ({ path: String(index), namespace: 'native' }));
      });
      // koffi's module form makes a `require` of its own, which esbuild cannot see through; its CommonJS form does not.
      build.onResolve({ filter: /^koffi$/ }, ({ kind, resolveDir }) =>
        kind === 'require-call' ? undefined : build.resolve('koffi', { kind: 'require-call', resolveDir }),
      );
      build.onResolve({ filter: /^@koromix\/koffi-/ }, ({ path }) => ({ path, namespace: 'other-system' }));
      build.onLoad({ filter: /.*/, namespace: 'native' }, ({ path }) => {
        const [, file] = natives[Number(path)]!.files.x64[0]!;
        return { contents: `module.exports = require('./native/${file}');`, loader: 'js', resolveDir: '/' };
      });
      build.onLoad({ filter: /.*/, namespace: 'other-system' }, ({ path }) => ({
        contents: `throw new Error('${path} is not part of this image');`,
        loader: 'js',
      }));
    },
  };
}

/** Whoever asks for a package that was left out is told so. */
export function leftOut(program: Program): Plugin {
  return {
    name: 'left-out',
    setup(build) {
      build.onResolve({ filter: /^[^./]/ }, ({ path }) =>
        program.leftOut.includes(path) ? { path, namespace: 'left-out' } : undefined,
      );
      build.onLoad({ filter: /.*/, namespace: 'left-out' }, ({ path }) => ({
        contents: `throw new Error('${path} is not part of ${program.command}');`,
        loader: 'js',
      }));
    },
  };
}

/**
 * Node's own modules are asked for with `require`. An `import` of one reads all of its exports, and some are there only to be found:
 * `node:http` then loads a whole client of WebSockets, 14 MB.
 */
export function builtinsByRequire(): Plugin {
  const builtins = new Set(builtinModules.flatMap((name) => [name, `node:${name}`]));
  return {
    name: 'builtins-by-require',
    setup(build) {
      build.onResolve({ filter: /^[a-z]/ }, ({ path, kind }) =>
        kind !== 'require-call' && builtins.has(path) ? { path, namespace: 'builtin' } : undefined,
      );
      build.onLoad({ filter: /.*/, namespace: 'builtin' }, ({ path }) => {
        // What this process has in `process` depends on how it was started; a bundle does not.
        if (/^(node:)?process$/.test(path)) return { contents: `module.exports = require('${path}');`, loader: 'js' };
        // What nobody imports of it is left out, and not read.
        const names = Object.keys(requireHere(path)).filter(
          (name) => /^[A-Za-z_]\w*$/.test(name) && name !== 'default',
        );
        const lines = names.sort().map((name) => `export const ${name} = /* @__PURE__ */ (() => builtin.${name})();`);
        const contents = [`const builtin = require('${path}');`, 'export default builtin;', ...lines].join('\n');
        return { contents, loader: 'js' };
      });
    },
  };
}
