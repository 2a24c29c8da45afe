// A Python with pinned packages for tests that need foreign readers. Knows pip;
// knows nothing of what the packages are for.
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { installOnce } from './install-once.ts';

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

/** OpenTelemetry's own definitions, and Snappy. */
export const METRIC_DECODERS = ['opentelemetry-proto==1.45.2', 'protobuf==7.36.2', 'cramjam==2.14.0'] as const;

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
  const digest = createHash('sha256').update(requirements.join('\n')).digest('hex').slice(0, 16);
  const pythonOf = (folder: string) => join(folder, 'bin', 'python');
  try {
    const folder = await installOnce(`python-${digest}`, async (folder) => {
      await run('python3', ['-m', 'venv', folder]).catch((error) => {
        throw new Error(
          `python3 with its venv module (Debian: apt-get install python3-venv) is missing: ${detail(error)}`,
        );
      });
      const pip = ['-m', 'pip', 'install', '--quiet', '--no-deps', '--only-binary=:all:', ...requirements];
      await run(pythonOf(folder), pip, { maxBuffer: 16 * 1024 * 1024 }).catch((error) => {
        throw new Error(`pip could not install ${requirements.join(', ')} from its package index: ${detail(error)}`);
      });
    });
    return { python: pythonOf(folder) };
  } catch (error) {
    return { missing: error instanceof Error ? error.message : String(error) };
  }
}

function detail(error: unknown): string {
  const stderr = error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : '';
  return stderr.split('\n').at(-1) || String(error);
}
