// Rows of `endpoints` as another cluster's aggregators write them, for the tests of this directory.
import type { EndpointRow } from '../../model/endpoint-row.ts';

export const HOUR_US = 3_600_000_000;
export const T0 = Date.UTC(2026, 0, 31, 12) * 1000;

/** A row of a pod of this name; recorded at T0 and open, unless it says otherwise. */
export function rowOf(
  address: string,
  name: string,
  rest: Partial<EndpointRow> & Pick<EndpointRow, 'fromUs'>,
): EndpointRow {
  return {
    ...{ cluster: 'eu', address, kind: 'pod', uid: `uid-${name}`, toUs: null },
    sureUntilUs: rest.toUs ?? null,
    heardUs: rest.fromUs,
    recordedUs: T0,
    ...{ namespace: 'shop', pod: name, workloadKind: 'StatefulSet', workload: 'cart', labels: '{"app":"cart"}' },
    ...{ node: 'node-a', provider: 'aws', region: 'eu-west-1', zone: 'eu-west-1a' },
    zoneId: null,
    ...rest,
  };
}

/** A row of a node. */
export function nodeRowOf(address: string, node: string, fromUs: number): EndpointRow {
  const nobody = { namespace: null, pod: null, workloadKind: null, workload: null, labels: null };
  return { ...rowOf(address, node, { fromUs }), kind: 'node', node, ...nobody };
}
