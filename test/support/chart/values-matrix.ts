// Sets of values that the chart is tested with: every mode of every choice at least once, and all that can be added at once. What a set
// needs of the cluster besides stands with it. Data alone.
import { exampleValues, type Values } from './chart.ts';

const bucket = { store: 's3://tables/flowtoll' };

/** In every place where one can add something, something that can be found again. */
export const EVERYTHING_ADDED: Values = {
  ...bucket,
  commonLabels: { 'example.org/common': 'label' },
  commonAnnotations: { 'example.org/common': 'annotation' },
  imagePullSecrets: [{ name: 'pull-secret' }],
  reports: {
    jobs: [{ name: 'daily', schedule: '0 6 * * *', args: ['--since', '24h'] }],
    serviceAccount: { annotations: { 'example.org/account': 'report' } },
  },
  maintenance: { cronJob: { enabled: true } },
  agent: added('agent', { resources: { limits: { memory: '1Gi', cpu: 1 } }, seLinuxOptions: { type: 'spc_t' } }),
  aggregator: added('aggregator', {
    services: {
      ingest: { annotations: { 'example.org/service': 'ingest' } },
      read: { annotations: { 'example.org/service': 'read' }, type: 'LoadBalancer' },
    },
  }),
};

function added(component: string, more: Values): Values {
  const container = { name: `extra-${component}`, image: 'registry.example/extra:1', command: ['true'] };
  return {
    annotations: { 'example.org/object': component },
    podLabels: { 'example.org/pod': component },
    podAnnotations: { 'example.org/pod': component },
    extraArgs: [`--log-level=${component === 'agent' ? 'debug' : 'warn'}`],
    extraEnv: [{ name: 'EXTRA', value: component }],
    extraEnvFrom: [{ configMapRef: { name: 'extra-env', optional: true } }],
    extraVolumes: [{ name: 'extra', emptyDir: {} }],
    extraVolumeMounts: [{ name: 'extra', mountPath: '/extra' }],
    extraInitContainers: [{ ...container, name: `extra-init-${component}` }],
    extraContainers: [container],
    nodeSelector: { 'example.org/pool': component },
    tolerations: [{ key: 'example.org/taint', operator: 'Exists' }],
    affinity: { nodeAffinity: {} },
    priorityClassName: 'system-cluster-critical',
    serviceAccount: { annotations: { 'example.org/account': component } },
    image: { repository: `registry.example/${component}`, digest: `sha256:${'0'.repeat(64)}` },
    ...more,
  };
}

/** Sets by what is particular about them. */
export function valuesMatrix(): ReadonlyMap<string, Values> {
  return new Map<string, Values>([
    ['one value', bucket],
    ...[...exampleValues()].map(([name, values]): [string, Values] => [`examples/${name}.yaml`, values]),
    ['everything added', EVERYTHING_ADDED],
    ['tls: existing Secret', { ...bucket, tls: { mode: 'existingSecret', existingSecret: 'certificate' } }],
    [
      'tls: public authority',
      { ...bucket, tls: { mode: 'existingSecret', existingSecret: 'certificate', trustSystem: true } },
    ],
    [
      'tls: cert-manager',
      {
        ...bucket,
        tls: {
          mode: 'certManager',
          certManager: { issuerRef: { name: 'ours', kind: 'ClusterIssuer' } },
          extraDnsNames: ['flows.example.org'],
        },
      },
    ],
    [
      'nothing proved, nothing encrypted',
      { ...bucket, insecure: true, tls: { mode: 'none' }, agentAuth: { mode: 'none' }, readAuth: { mode: 'none' } },
    ],
    [
      'agents: keys of the issuer',
      {
        ...bucket,
        agentAuth: {
          mode: 'keys',
          tokenSeconds: 7200,
          extraServiceAccounts: ['elsewhere/flowtoll-agent'],
          keys: {
            source: 'https://kubernetes.default.svc/openid/v1/jwks',
            issuer: 'https://kubernetes.default.svc',
          },
        },
      },
    ],
    [
      'agents: certificates',
      {
        ...bucket,
        agentAuth: {
          mode: 'mtls',
          mtls: {
            clientCaSecret: 'client-ca',
            agentVolume: { csi: { driver: 'csi.cert-manager.io', readOnly: true } },
          },
        },
      },
    ],
    ['readers: tokens', { ...bucket, readAuth: { mode: 'tokens', tokens: { secret: 'read-tokens' } } }],
    ['autoscaling', { ...bucket, aggregator: { autoscaling: { enabled: true, maxReplicas: 9 } } }],
    ['no aggregator runs', { ...bucket, aggregator: { replicas: 0 } }],
    [
      'no agents',
      { ...bucket, agent: { enabled: false }, agentAuth: { extraServiceAccounts: ['agents/flowtoll-agent'] } },
    ],
    ['sysctls without privileges', { ...bucket, agent: { sysctls: 'hostPath' } }],
    ['sysctls by somebody else', { ...bucket, agent: { sysctls: 'none' } }],
    ['Cilium', { ...bucket, agent: { cilium: { enabled: true }, options: { 'cilium-layout': 'merged' } } }],
    [
      'volume that exists',
      {
        store: '/tables',
        volume: { existingClaim: 'tables', accessModes: ['ReadWriteMany'] },
        aggregator: { replicas: 3 },
      },
    ],
    [
      'reports, groups, upkeep in a job',
      {
        ...bucket,
        groups: { groups: [{ name: 'shop', filter: 'namespace=shop' }] },
        reports: {
          jobs: [
            { name: 'daily', schedule: '0 6 * * *', args: ['--since', '24h', '--by', 'group'] },
            { name: 'weekly', schedule: '@weekly', args: ['--since', '7d'] },
          ],
        },
        maintenance: { cronJob: { enabled: true, schedule: '7 * * * *' } },
        aggregator: { options: { 'keep-flows': '90d' } },
      },
    ],
    [
      'what rows say',
      {
        ...bucket,
        keepLabels: ['app', 'namespace:team'],
        topology: { version: 1 },
        pricing: { version: 1 },
        kubernetes: {
          ownerKinds: [
            { apiVersion: 'argoproj.io/v1alpha1', kind: 'Rollout', resource: 'rollouts' },
            { apiVersion: 'v1', kind: 'ReplicationController', resource: 'replicationcontrollers' },
          ],
          domain: 'cluster.example',
        },
        aggregator: { options: { 'commit-interval': '1m', 'commit-bytes': 4_194_304, 'other-clusters': false } },
      },
    ],
    [
      'monitoring',
      {
        ...bucket,
        monitoring: {
          podMonitor: { enabled: true, labels: { release: 'prometheus' }, interval: '30s' },
          serviceMonitor: { enabled: true, labels: { release: 'prometheus' } },
          dashboards: { enabled: true, annotations: { grafana_folder: 'Flowtoll' } },
          rules: { enabled: true, labels: { release: 'prometheus' } },
        },
        aggregator: {
          series: { version: 1, sets: [{ name: 'zone', labels: ['zone'] }] },
          sinks: { version: 1, sinks: { otel: { type: 'otlp', url: 'http://otel:4318/v1/metrics' } } },
        },
      },
    ],
    [
      'accounts and roles of somebody else',
      {
        ...bucket,
        rbac: { create: false, readerRole: { create: false } },
        agent: { serviceAccount: { create: false, name: 'theirs' } },
        aggregator: { serviceAccount: { create: false } },
      },
    ],
    ['viewers may read flows', { ...bucket, rbac: { readerRole: { aggregateTo: ['view', 'edit'] } } }],
    [
      'network policy that names who may come',
      {
        ...bucket,
        networkPolicy: {
          ingestFrom: [{ ipBlock: { cidr: '10.0.0.0/16' } }],
          readFrom: [{ namespaceSelector: { matchLabels: { team: 'finops' } } }],
          metricsFrom: [{ podSelector: { matchLabels: { app: 'prometheus' } } }],
        },
      },
    ],
    [
      'as little as can be',
      {
        ...bucket,
        networkPolicy: { enabled: false },
        tests: { enabled: false },
        aggregator: { replicas: 1, podDisruptionBudget: { enabled: false } },
      },
    ],
    ['IPv6', { ...bucket, aggregator: { bindAddress: '::' }, agent: { metrics: { address: 'node' } } }],
    [
      'key file of Google',
      { store: 'gs://tables', storeCredentials: { googleKey: { secret: 'google', key: 'file.json' } } },
    ],
    [
      'jobs with everything that a store may need',
      {
        store: '/tables',
        storeCredentials: { envSecret: 'credentials', googleKey: { secret: 'google' } },
        volume: { existingClaim: 'tables', accessModes: ['ReadWriteMany'] },
        reports: { jobs: [{ name: 'daily', schedule: '@daily', args: [] }] },
        maintenance: { cronJob: { enabled: true } },
      },
    ],
    ['long names', { ...bucket, fullnameOverride: `flows-${'x'.repeat(60)}`, nameOverride: 'flows' }],
  ]);
}
