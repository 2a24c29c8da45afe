// Plays kube-proxy for services of one namespace, whose clients and pods are all behind the laboratory's management host: cluster addresses
// are translated there, once, instead of on each node, because nodes do not track that traffic. Follows EndpointSlices, their readiness
// and their hints for zones. TCP, IPv4.
import { setTimeout as delay } from 'node:timers/promises';
import type { KubeClient, KubeObject } from '../../support/kubernetes/kube-client.ts';
import type { Lab } from '../lab.ts';
import { byManagement, MANAGEMENT_ADDRESS, managementAddress } from '../wiring.ts';

const LOOK_EVERY_MS = 100;

interface Endpoint {
  readonly addresses: readonly string[];
  readonly conditions?: { readonly ready?: boolean };
  readonly hints?: { readonly forZones?: readonly { readonly name: string }[] };
}

export class ServiceProxy {
  readonly #lab: Lab;
  readonly #client: KubeClient;
  readonly #namespace: string;
  readonly #stopped = new AbortController();
  readonly #running: Promise<void>;
  #services: readonly KubeObject[] = [];
  #rules = '';

  constructor(lab: Lab, client: KubeClient, namespace: string) {
    this.#lab = lab;
    this.#client = client;
    this.#namespace = namespace;
    this.#running = this.#run();
    this.#running.catch(() => undefined);
  }

  /** What DNS would say, as lines of /etc/hosts. */
  hosts(): string {
    return this.#services
      .filter(({ spec }) => spec.clusterIP !== 'None')
      .map(({ metadata: { name }, spec }) => {
        const full = `${name}.${this.#namespace}.svc`;
        return `${spec.clusterIP}\t${full} ${full}.cluster.local\n`;
      })
      .join('');
  }

  /** Rejects if it had to give up. */
  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopped;
    while (!signal.aborted) {
      const slices = await this.#client.list('endpointslices', this.#namespace);
      this.#services = await this.#client.list('services', this.#namespace);
      const routed = this.#services.filter(({ spec }) => spec.clusterIP !== 'None');
      const rules = rulesOf(
        routed,
        routed.flatMap((service) => this.#translations(service, slices)),
      );
      if (rules !== this.#rules) await this.#load(rules, routed);
      this.#rules = rules;
      await delay(LOOK_EVERY_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  #translations({ metadata, spec }: KubeObject, slices: readonly KubeObject[]): string[] {
    const own = slices.filter(
      (slice) =>
        slice['addressType'] === 'IPv4' && slice.metadata.labels?.['kubernetes.io/service-name'] === metadata.name,
    );
    const { nodes } = this.#lab.cluster;
    return (spec.ports as { name: string; port: number }[]).flatMap(({ name, port }) =>
      own.flatMap((slice) => {
        const target = ((slice['ports'] ?? []) as { name: string; port: number }[]).find(
          (each) => each.name === name,
        )?.port;
        const ready = ((slice['endpoints'] ?? []) as Endpoint[]).filter(
          ({ conditions }) => conditions?.ready !== false,
        );
        if (target === undefined || ready.length === 0) return [];
        const match = `ip daddr ${spec.clusterIP} tcp dport ${port}`;
        const near = nodes.flatMap((node) => {
          const hinted = ready.filter(({ hints }) => hints?.forZones?.some(({ name: zone }) => zone === node.zone));
          return hinted.length === 0 ? [] : [`ip saddr ${managementAddress(node)} ${match} ${dnat(hinted, target)}`];
        });
        return [...near, `${match} ${dnat(ready, target)}`];
      }),
    );
  }

  async #load(rules: string, services: readonly KubeObject[]): Promise<void> {
    await this.#lab.exec('management', ['nft', '-f', '-'], `table ip services\ndelete table ip services\n${rules}`);
    for (const node of this.#lab.cluster.nodes) {
      const routes = services.map(({ spec }) => `route replace ${spec.clusterIP}/32 ${byManagement(node)}\n`).join('');
      await this.#lab.exec(node.name, ['ip', '-batch', '-'], routes);
    }
    // The host itself needs a route before its output is translated.
    const own = services
      .map(({ spec }) => `route replace ${spec.clusterIP}/32 dev lo src ${MANAGEMENT_ADDRESS}\n`)
      .join('');
    await this.#lab.exec('management', ['ip', '-batch', '-'], own);
  }
}

/** Translation where there is somebody; whoever asks a service without endpoints is refused at once. */
function rulesOf(services: readonly KubeObject[], translations: readonly string[]): string {
  const refusals = services.map(({ spec }) => `ip daddr ${spec.clusterIP} meta l4proto tcp reject with tcp reset`);
  const chain = (name: string, lines: readonly string[]) => `  chain ${name} {\n    ${lines.join('\n    ')}\n  }\n`;
  const hooks = [
    chain('translate_in', ['type nat hook prerouting priority dstnat;', 'jump translate']),
    chain('translate_out', ['type nat hook output priority -100;', 'jump translate']),
    chain('refuse_in', ['type filter hook forward priority filter;', 'jump refuse']),
    chain('refuse_out', ['type filter hook output priority filter;', 'jump refuse']),
  ];
  return `table ip services {\n${chain('translate', translations)}${chain('refuse', refusals)}${hooks.join('')}}\n`;
}

function dnat(endpoints: readonly Endpoint[], port: number): string {
  const addresses = endpoints.map(({ addresses }) => addresses[0]!);
  if (addresses.length === 1) return `dnat to ${addresses[0]}:${port}`;
  return `dnat to numgen inc mod ${addresses.length} map { ${addresses.map((each, i) => `${i} : ${each}`).join(', ')} }:${port}`;
}
