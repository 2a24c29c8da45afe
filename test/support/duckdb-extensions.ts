// DuckDB's extensions as files, from PyPI, of the version of the DuckDB that the product uses. Knows where the packages keep them.
import { readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pythonEnvironment } from './python-env.ts';

const PACKAGES = ['duckdb-extension-httpfs==1.5.5', 'duckdb-extension-delta==1.5.5'] as const;

/** Directories, each with a folder of the version and the extension's file in it. */
export interface DuckdbExtensions {
  readonly httpfs: string;
  readonly delta: string;
}

/** Undefined, after saying why, where the packages cannot be had (an error under CI=true). */
export async function duckdbExtensions(): Promise<DuckdbExtensions | undefined> {
  const environment = await pythonEnvironment(PACKAGES);
  if ('missing' in environment) {
    console.warn(`DuckDB's extensions are not tested: ${environment.missing}`);
    return undefined;
  }
  const library = join(dirname(dirname(environment.python)), 'lib');
  const [python] = readdirSync(library);
  const folder = (name: string) => join(library, python!, 'site-packages', `duckdb_extension_${name}`, 'extensions');
  return { httpfs: folder('httpfs'), delta: folder('delta') };
}
