// The Helm chart as tests see it: where it is, its examples, and the objects that values make of it, by the real Helm and without a cluster.
// Knows how Helm renders; knows nothing of what is rendered.
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { parse, parseAllDocuments } from 'yaml';
import { type HelmPrograms, type ProgramResult, runProgram } from '../helm.ts';

export const CHART = join(import.meta.dirname, '..', '..', '..', 'charts', 'flowtoll');
const EXAMPLES = join(CHART, 'examples');

export type Values = Readonly<Record<string, unknown>>;

/** An object as a manifest says it. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  // biome-ignore lint/suspicious/noExplicitAny: what tests look at differs by kind, and a wrong path fails the test
  readonly [field: string]: any;
}

/** Values of the files in examples/, by name. */
export function exampleValues(): ReadonlyMap<string, Values> {
  return new Map(
    readdirSync(EXAMPLES)
      .sort()
      .map((file) => [basename(file, '.yaml'), parse(readFileSync(join(EXAMPLES, file), 'utf8')) as Values]),
  );
}

/** What the chart has for values that are not said. */
export function defaultValues(): Values {
  return parse(readFileSync(join(CHART, 'values.yaml'), 'utf8')) as Values;
}

export interface RenderOptions {
  readonly release?: string;
  readonly namespace?: string;
  readonly kubeVersion?: string;
}

/** Helm with the chart; `env` has folders for what Helm keeps. */
export class ChartRenderer {
  readonly #programs: HelmPrograms;
  readonly #env: Readonly<Record<string, string>>;

  constructor(programs: HelmPrograms, env: Readonly<Record<string, string>>) {
    this.#programs = programs;
    this.#env = env;
  }

  /** How Helm ends with these values, whichever command it is. */
  run(args: readonly string[], values: Values): Promise<ProgramResult> {
    return runProgram(this.#programs.helm, [...args, '--values', '-'], {
      env: this.#env,
      input: JSON.stringify(values),
    });
  }

  /** The objects, those of `helm test` too. */
  async render(
    values: Values,
    { release = 'flowtoll', namespace = 'flowtoll', kubeVersion = '1.34.2' }: RenderOptions = {},
  ): Promise<readonly Manifest[]> {
    const args = ['template', release, CHART, '--namespace', namespace, '--kube-version', kubeVersion];
    const { code, stdout, stderr } = await this.run(args, values);
    if (code !== 0) throw new Error(`helm template ended with ${code}: ${stderr}`);
    return parseManifests(stdout);
  }

  /** What is said after an installation. */
  async notes(values: Values): Promise<string> {
    const args = ['install', 'flowtoll', CHART, '--namespace', 'flowtoll', '--dry-run=client', '--output', 'json'];
    const { code, stdout, stderr } = await this.run(args, values);
    if (code !== 0) throw new Error(`helm install --dry-run ended with ${code}: ${stderr}`);
    return (JSON.parse(stdout) as { readonly info: { readonly notes: string } }).info.notes;
  }
}

/** @throws Error where a document has a key twice, or is no object */
export function parseManifests(text: string): readonly Manifest[] {
  // Kubernetes reads octal numbers and such as YAML 1.1 has them.
  return parseAllDocuments(text, { version: '1.1', uniqueKeys: true })
    .map((document) => {
      if (document.errors.length > 0) throw new Error(document.errors.join('\n'));
      return document.toJS() as Manifest | null;
    })
    .filter((object) => object !== null);
}

/** The template of the pods that an object makes, or the pod itself; undefined for what makes none. */
export function podTemplateOf({ kind, metadata, spec }: Manifest): PodTemplate | undefined {
  switch (kind) {
    case 'Pod':
      return { metadata, spec };
    case 'DaemonSet':
    case 'Deployment':
      return spec.template as PodTemplate;
    case 'CronJob':
      return spec.jobTemplate.spec.template as PodTemplate;
    default:
      return undefined;
  }
}

export interface PodTemplate {
  readonly metadata: {
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  // biome-ignore lint/suspicious/noExplicitAny: as above
  readonly spec: any;
}
