// A real Prometheus for tests, from the Debian package `prometheus`, in a temporary folder and on a free port. Knows Prometheus; knows nothing
// of Flowtoll.
import { execFile } from 'node:child_process';
import { access, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { freePorts } from './free-ports.ts';
import { startServer } from './server-process.ts';

const run = promisify(execFile);

const FOLDERS = ['/usr/bin', '/usr/local/bin'];

export interface PrometheusPrograms {
  readonly prometheus: string;
  readonly promtool: string;
}

/** One series of an answer. */
export interface InstantSample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** A server that runs. */
export interface Prometheus {
  /** http://127.0.0.1:port */
  readonly url: string;
  /** The answer to an instant query. */
  query(expression: string): Promise<readonly InstantSample[]>;
  stop(): Promise<void>;
}

/** The programs; undefined, after saying why, where they are missing (an error under CI=true). */
export async function prometheusPrograms(): Promise<PrometheusPrograms | undefined> {
  for (const folder of [...(process.env['PATH'] ?? '').split(':'), ...FOLDERS]) {
    const programs = { prometheus: join(folder, 'prometheus'), promtool: join(folder, 'promtool') };
    try {
      await Promise.all(Object.values(programs).map((program) => access(program)));
      return programs;
    } catch {
      // Not there.
    }
  }
  const missing = 'Prometheus is missing (Debian: apt-get install prometheus)';
  if (process.env['CI'] === 'true') throw new Error(missing);
  console.warn(`Nothing is tested with Prometheus: ${missing}`);
  return undefined;
}

/** How promtool ended, and what it said. */
export async function promtool({ promtool }: PrometheusPrograms, ...args: readonly string[]) {
  try {
    const { stdout, stderr } = await run(promtool, args, { timeout: 60_000 });
    return { code: 0, said: stdout + stderr };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    if (typeof code !== 'number') throw error;
    return { code, said: stdout + stderr };
  }
}

/** Scrapes these every 200 ms with the labels of its targets' own, and takes remote write. @param targets host:port */
export async function startPrometheus(
  { prometheus }: PrometheusPrograms,
  targets: readonly string[],
): Promise<Prometheus> {
  const { plan, server } = await startServer(async (folder) => {
    const [port] = await freePorts(1);
    const url = `http://127.0.0.1:${port}`;
    const config = {
      global: { scrape_interval: '200ms', scrape_timeout: '200ms' },
      scrape_configs: [{ job_name: 'flowtoll', honor_labels: true, static_configs: [{ targets }] }],
    };
    await writeFile(join(folder, 'prometheus.json'), JSON.stringify(config));
    return {
      url,
      program: prometheus,
      args: [
        ...[`--config.file=${folder}/prometheus.json`, `--storage.tsdb.path=${folder}/data`, '--log.level=warn'],
        ...[`--web.listen-address=127.0.0.1:${port}`, '--web.enable-remote-write-receiver'],
      ],
      ask: async () => {
        const { ok, status } = await fetch(`${url}/-/ready`);
        if (!ok) throw new Error(`not ready: ${status}`);
      },
    };
  });
  return {
    url: plan.url,
    stop: server.stop,
    async query(expression) {
      const response = await fetch(`${plan.url}/api/v1/query`, {
        method: 'POST',
        body: new URLSearchParams({ query: expression }),
      });
      const { data, error } = (await response.json()) as {
        data?: { result: { metric: Record<string, string>; value: [number, string] }[] };
        error?: string;
      };
      if (data === undefined) throw new Error(`${expression}: ${error}`);
      return data.result.map(({ metric, value }) => ({ labels: metric, value: Number(value[1]) }));
    },
  };
}
