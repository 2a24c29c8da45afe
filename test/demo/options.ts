// The command line of the demo. Pure.
import { parseArgs } from 'node:util';

export interface DemoOptions {
  /** Names come from a real Kubernetes API server, not from a topology file. */
  readonly kubernetes: boolean;
  readonly help: boolean;
}

export const USAGE = `Usage: npm run demo [-- options]

A small cluster of network namespaces with real traffic, an agent on each node and an aggregator; ends in a cost report, and
in the bytes that the traffic generator moved beside those of the table. Linux, root, under 3 minutes. Where namespaces are not
allowed, recorded conntrack datagrams are replayed.

Options:
  --kubernetes  take names from the API server of a real Kubernetes control plane, which the demo starts, not from a topology
                file; and hold every row against its objects. Needs namespaces, and in the folder KUBEBUILDER_ASSETS the
                programs kube-apiserver, kube-controller-manager, kube-scheduler, there or on the path etcd
  -h, --help    show this

Environment:
  FLOWTOLL_DEMO=replay  replay the recordings, whatever is allowed
`;

/** What was asked for, or what is wrong with it. */
export function parseOptions(args: readonly string[]): DemoOptions | { readonly wrong: string } {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        kubernetes: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
    return values;
  } catch (error) {
    return { wrong: (error as Error).message };
  }
}
