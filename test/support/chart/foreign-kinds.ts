// Kinds of other projects that the chart makes objects of, as definitions strict about the fields that it uses: from the types of
// monitoring.coreos.com/v1 (prometheus-operator v0.80) and cert-manager.io/v1 (v1.17), reduced by hand to what these objects may have.
// The definitions themselves are megabytes; a field that stands here by mistake is not seen by the tests.

type Schema = object;

const text: Schema = { type: 'string' };
const texts: Schema = { type: 'array', items: text };
const object = (properties: Readonly<Record<string, Schema>>, required: readonly string[] = []): Schema => ({
  ...{ type: 'object', properties },
  ...(required.length > 0 && { required }),
});
const listOf = (items: Schema): Schema => ({ type: 'array', items });
const selector = object({ matchLabels: { type: 'object', additionalProperties: text } });
/** Go's, as Prometheus writes it. */
const duration: Schema = {
  type: 'string',
  pattern: '^(0|(([0-9]+)y)?(([0-9]+)w)?(([0-9]+)d)?(([0-9]+)h)?(([0-9]+)m)?(([0-9]+)s)?(([0-9]+)ms)?)$',
};
const endpoint = object({
  ...{ port: text, path: text, scheme: text, interval: duration, scrapeTimeout: duration },
  honorLabels: { type: 'boolean' },
  relabelings: listOf(object({ sourceLabels: texts, targetLabel: text, regex: text, replacement: text, action: text })),
});

const labels: Schema = { type: 'object', additionalProperties: text };
const rule = object({ alert: text, expr: text, for: duration, labels, annotations: labels }, ['expr']);

function definition(group: string, kind: string, plural: string, spec: Schema): object {
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${group}` },
    spec: {
      ...{ group, scope: 'Namespaced', names: { kind, plural, singular: kind.toLowerCase(), listKind: `${kind}List` } },
      versions: [
        {
          ...{ name: 'v1', served: true, storage: true },
          schema: { openAPIV3Schema: { ...object({ spec }, ['spec']) } },
        },
      ],
    },
  };
}

export const FOREIGN_KINDS: readonly object[] = [
  definition(
    'monitoring.coreos.com',
    'PodMonitor',
    'podmonitors',
    object({ selector, podMetricsEndpoints: listOf(endpoint) }, ['selector']),
  ),
  definition(
    'monitoring.coreos.com',
    'ServiceMonitor',
    'servicemonitors',
    object({ selector, endpoints: listOf(endpoint) }, ['selector', 'endpoints']),
  ),
  definition(
    'monitoring.coreos.com',
    'PrometheusRule',
    'prometheusrules',
    object({ groups: listOf(object({ name: text, rules: listOf(rule) }, ['name'])) }),
  ),
  definition(
    'cert-manager.io',
    'Certificate',
    'certificates',
    object(
      {
        ...{ secretName: text, dnsNames: texts, duration: text, renewBefore: text },
        issuerRef: object({ name: text, kind: text, group: text }, ['name']),
        privateKey: object({
          algorithm: { enum: ['RSA', 'ECDSA', 'Ed25519'], type: 'string' },
          size: { type: 'integer' },
          rotationPolicy: { enum: ['Never', 'Always'], type: 'string' },
        }),
        usages: listOf({ type: 'string', enum: ['signing', 'digital signature', 'server auth', 'client auth'] }),
      },
      ['issuerRef', 'secretName'],
    ),
  ),
];
