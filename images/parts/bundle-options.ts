// How esbuild makes bundles of ours, whatever is bundled.
import type { BuildOptions } from 'esbuild';

/** What others wrote in CommonJS asks for Node's modules with `require`, which a module does not have. */
const REQUIRE = "const require = process.getBuiltinModule('node:module').createRequire(import.meta.url);";

export const BUNDLE_OPTIONS = {
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node24',
  outExtension: { '.js': '.mjs' },
  // Nothing is minified: a stack trace of a user has to say something, and Node prints the line that failed.
  // They are in the notices.
  legalComments: 'none',
  banner: { js: REQUIRE },
  define: { __filename: 'import.meta.filename', __dirname: 'import.meta.dirname' },
  logLevel: 'warning',
} satisfies BuildOptions;
