// Values of egressd's chart → values of ours, and what has no counterpart. Pure: texts in, data out. Knows egressd's chart as its versions
// have it; docs/egressd.md tells people.
import { isMapping, parseText, type Raw } from '../../document/parse-text.ts';
import { type DocumentKind, Problems } from '../../document/problems.ts';
import { levelOf, migrateCollector } from './collector.ts';
import { exporterConfig, renderTemplate } from './exporter-config.ts';
import { migratePods } from './pods.ts';
import { type Remark, Remarks } from './remarks.ts';
import { type CollectorHabits, migrateSinks, plainTime } from './sinks.ts';
import { SourceValues } from './source-values.ts';

const EGRESSD_VALUES: DocumentKind = {
  name: 'values of egressd',
  code: 'EGRESSD_VALUES_INVALID',
  page: 'docs/egressd.md',
};
const API_DEFAULT = 'https://api.cast.ai';
/** Keys that the secrets have. */
const [API_KEY, CLUSTER_ID] = ['API_KEY', 'CLUSTER_ID'];

export interface EgressdInput {
  /** Text of the values that egressd was installed with, YAML or JSON; what they leave out is the chart's default. */
  readonly values: string;
  /** Names it in errors. */
  readonly file: string;
  /** The exporter's configuration, where it is in a Secret, or a template that only Helm understands. */
  readonly exporterConfig?: string | undefined;
  /** Where the tables are to be. */
  readonly store?: string | undefined;
}

export interface Migration {
  /** Values of the chart charts/flowtoll. */
  readonly values: Record<string, unknown>;
  readonly remarks: readonly Remark[];
}

/** Throws EGRESSD_VALUES_INVALID, listing every problem. */
export function migrateEgressd({ values: text, file, exporterConfig: given, store }: EgressdInput): Migration {
  const problems = new Problems(EGRESSD_VALUES);
  const raw = text.trim() === '' ? {} : parseText(text, problems);
  problems.throwIfAny(file);
  const remarks = new Remarks();
  const source = new SourceValues(raw!, [], problems);
  if (store === undefined) {
    remarks.todo('(store)', 'the chart needs to know where the tables are: store=s3://bucket/prefix, or --store here');
  }
  const { agent, habits } = migrateCollector(source.below('collector'), remarks);
  const aggregator = migrateExporter(source, raw!, given, habits, problems, remarks);
  const imagePullSecrets = source.value('imagePullSecrets');
  for (const key of ['nameOverride', 'fullnameOverride']) {
    if (source.value(key) !== undefined)
      remarks.dropped(source.path(key), 'names are of a new release; both can run side by side');
  }
  source.sayRest(remarks);
  problems.throwIfAny(file);
  return {
    values: {
      ...(store !== undefined && { store }),
      ...(Object.keys(agent).length > 0 && { agent }),
      ...(Object.keys(aggregator).length > 0 && { aggregator }),
      ...(imagePullSecrets !== undefined && { imagePullSecrets }),
    },
    remarks: remarks.list(),
  };
}

function migrateExporter(
  source: SourceValues,
  raw: Raw,
  given: string | undefined,
  habits: CollectorHabits,
  problems: Problems,
  remarks: Remarks,
): Record<string, unknown> {
  const exporter = source.below('exporter');
  const pods = migratePods(exporter, 'aggregator', remarks);
  const tolerations = exporter.value('tolerations');
  if (exporter.below('extraArgs').keys().length > 0) {
    remarks.dropped(exporter.path('extraArgs'), 'aggregator.options has options of `flowtoll serve`');
  }
  const castai = migrateCastai(source.below('castai'), remarks);
  const text = configText(exporter, raw, given, castai.url, problems, remarks);
  const structured = exporter.value('structuredConfig');
  const parsed = exporterConfig(text, isMapping(structured) ? structured : {}, problems.below(['exporter', 'config']));
  const config = new SourceValues(parsed, ['exporter', 'config'], problems);
  const interval = config.text('exportInterval');
  const sinks = migrateSinks(
    config.below('sinks'),
    interval === undefined ? undefined : plainTime(interval),
    habits,
    remarks,
  );
  const level = config.below('log').text('level');
  for (const key of ['collectorsConcurrentFetchCount', 'collectorFetchTimeout', 'podNamespace']) {
    if (config.value(key) !== undefined) remarks.dropped(config.path(key), 'agents deliver; nobody fetches from them');
  }
  config.sayRest(remarks);
  exporter.sayRest(remarks);
  const { extraEnv, extraEnvFrom } = castai;
  return {
    ...pods,
    ...(tolerations !== undefined && { tolerations }),
    ...(level !== undefined && { options: { 'log-level': levelOf(level) } }),
    ...(Object.keys(sinks).length > 0 && { sinks: { version: 1, sinks } }),
    ...(extraEnv.length > 0 && { extraEnv }),
    ...(extraEnvFrom.length > 0 && { extraEnvFrom }),
  };
}

/** The exporter's configuration; that of the chart, where the values have none. */
function configText(
  exporter: SourceValues,
  raw: Raw,
  given: string | undefined,
  castaiUrl: string | undefined,
  problems: Problems,
  remarks: Remarks,
): string {
  const own = exporter.text('config');
  const secret = exporter.text('existingSecretForConfig');
  if (given !== undefined) return given;
  if (secret !== undefined) {
    remarks.todo(
      exporter.path('existingSecretForConfig'),
      `has the configuration in the Secret ${secret}: give its content by --exporter-config FILE`,
    );
    return '';
  }
  if (own !== undefined) return renderTemplate(own, withDefaults(raw), problems.below(['exporter', 'config']));
  if (castaiUrl === undefined) return '';
  const http = {
    url: castaiUrl,
    compression: 'gzip',
    headers: { 'X-API-Key': `\${${API_KEY}}` },
  };
  return JSON.stringify({ sinks: { castai: { http } } });
}

function withDefaults(raw: Raw): Raw {
  const castai = isMapping(raw['castai']) ? raw['castai'] : {};
  return { ...raw, castai: { apiURL: API_DEFAULT, ...castai } };
}

interface Castai {
  /** Where its API takes the traffic; undefined where it is not used. */
  readonly url: string | undefined;
  readonly extraEnv: readonly object[];
  readonly extraEnvFrom: readonly object[];
}

/** The key and the cluster's id, which come from Secrets. */
function migrateCastai(castai: SourceValues, remarks: Remarks): Castai {
  const [key, keySecret] = [castai.text('apiKey'), castai.text('apiKeySecretRef')];
  const url = castai.text('apiURL') ?? API_DEFAULT;
  const id = castai.text('clusterID');
  const idRef = castai.below('clusterIdSecretKeyRef');
  const [idSecret, idKey] = [idRef.text('name'), idRef.text('key') ?? CLUSTER_ID];
  castai.sayRest(remarks);
  const isUsed = key !== undefined || keySecret !== undefined;
  if (!isUsed) return { url: undefined, extraEnv: [], extraEnvFrom: [] };
  if (key !== undefined) {
    remarks.todo(
      castai.path('apiKey'),
      `is not copied: kubectl create secret generic castai-api-key --from-literal=${API_KEY}=…, in the namespace of the release`,
    );
  } else if (keySecret !== undefined) {
    remarks.todo(
      castai.path('apiKeySecretRef'),
      `names the Secret ${keySecret}: it has to be in the namespace of the release`,
    );
  }
  if (id === undefined && idSecret === undefined) {
    remarks.todo(
      castai.path('clusterID'),
      `is missing: CAST AI's address has it; set ${CLUSTER_ID} in aggregator.extraEnv`,
    );
  }
  return {
    url: `${url}/v1/kubernetes/clusters/${id ?? `\${${CLUSTER_ID}}`}/egressd-metrics`,
    extraEnv:
      idSecret === undefined
        ? []
        : [
            {
              name: CLUSTER_ID,
              valueFrom: { secretKeyRef: { name: idSecret, key: idKey } },
            },
          ],
    extraEnvFrom: [{ secretRef: { name: keySecret ?? 'castai-api-key' } }],
  };
}
