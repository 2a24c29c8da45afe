// What both of egressd's parts may be told of their pods, and what comes of it. Knows Kubernetes' words.
import type { Remarks } from './remarks.ts';
import type { SourceValues } from './source-values.ts';

const TAKEN = ['podAnnotations', 'podLabels', 'nodeSelector', 'affinity'] as const;

/** @param part `agent` or `aggregator` of our values */
export function migratePods(source: SourceValues, part: string, remarks: Remarks): Record<string, unknown> {
  const account = source.below('serviceAccount');
  const [create, name, annotations] = [account.isOn('create'), account.text('name'), account.value('annotations')];
  const serviceAccount = {
    ...(create === false && { create: false }),
    ...(name !== undefined && { name }),
    ...(annotations !== undefined && { annotations }),
  };
  if (annotations !== undefined) {
    remarks.changed(
      account.path('annotations'),
      `is taken over to ${part}.serviceAccount: see whether its rights are those that are needed now`,
    );
  }
  account.sayRest(remarks);
  for (const key of ['podSecurityContext', 'containerSecurityContext']) {
    if (source.value(key) !== undefined) {
      remarks.dropped(source.path(key), 'pods have the fewest privileges that do the work (docs/privileges.md)');
    }
  }
  if (source.value('resources') !== undefined) {
    remarks.changed(
      source.path('resources'),
      `needs are others here: ${part}.resources has its own defaults (docs/install.md has sizes)`,
    );
  }
  for (const key of ['image', 'dnsPolicy', 'httpListenPort']) {
    if (source.value(key) !== undefined) remarks.dropped(source.path(key), "is the chart's own matter");
  }
  if (source.below('prometheusScrape').isOn('enabled') === true) {
    remarks.changed(
      source.path('prometheusScrape'),
      'monitoring.podMonitor and monitoring.serviceMonitor are there for the Prometheus operator; for annotations see docs/prometheus.md',
    );
  }
  return {
    ...(Object.keys(serviceAccount).length > 0 && { serviceAccount }),
    ...Object.fromEntries(
      TAKEN.map((key) => [key, source.value(key)] as const).filter(([, value]) => value !== undefined),
    ),
  };
}
