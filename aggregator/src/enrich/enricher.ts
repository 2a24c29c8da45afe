// Flows → rows: names both sides, decides which is local to the reporting node, and forms the legs. Classes and prices
// are pricing's. Every byte of a flow is in exactly one row per leg and local side, whatever the topology knows.
import type { PlacesOfAddresses } from '../model/address-place.ts';
import type { FlowBatch } from '../model/flow-batch.ts';
import type { FlowRow, Resolution } from '../model/flow-row.ts';
import { protocolName } from '../model/protocol-name.ts';
import type { NodeIdentity, ServiceIdentity, Topology, TopologySource } from '../model/topology.ts';
import { createResolveEndpoints, type Endpoint, type Whereabouts, whereaboutsFrom } from './endpoint.ts';
import { decideLegs } from './leg.ts';
import { LegRow, lossRow, worseResolution } from './row.ts';

export interface EnricherOptions {
  readonly topology: TopologySource;
  /** Name of the cluster, for columns `cluster` and `peer_cluster`. */
  readonly cluster: string;
  /** Pod labels that rows carry in column `labels`. Default: none. */
  readonly labelKeys?: readonly string[];
  /** Where public addresses are that nobody in the cluster has. Default: nobody knows. */
  readonly places?: PlacesOfAddresses;
}

/** What one batch became. */
export interface EnrichCounts {
  readonly flows: number;
  /** Rows emitted, loss rows too. */
  readonly rows: number;
  readonly lossRows: number;
  /** Flows that the node passed on: two legs each. */
  readonly forwardedFlows: number;
  /** Flows whose legs nobody can know: one row each. */
  readonly guessedFlows: number;
  /** Flows of a reporting node that the topology does not have: their rows have no place. */
  readonly unknownNodeFlows: number;
}

export interface Enricher {
  /** Emits the rows of a batch in order. The row object is used again for the next row: `copyOfRow` keeps one. */
  enrich(batch: FlowBatch, emit: (row: FlowRow) => void): EnrichCounts;
}

type Counts = { -readonly [K in keyof EnrichCounts]: EnrichCounts[K] };

/** What is the same for all flows of a batch. */
interface BatchContext {
  readonly batch: FlowBatch;
  readonly topology: Topology;
  readonly reporter: NodeIdentity | undefined;
  readonly endpoints: readonly Endpoint[];
  /** Of each endpoint, as seen from the reporting node. */
  readonly whereabouts: readonly Whereabouts[];
  readonly row: LegRow;
  readonly counts: Counts;
  readonly emit: (row: FlowRow) => void;
}

export function createEnricher(options: EnricherOptions): Enricher {
  const resolveEndpoints = createResolveEndpoints(options.labelKeys ?? [], options.places);
  const row = new LegRow(options.cluster);
  // Used again: arrays of thousands of elements for each batch would be what the collector has most to do with.
  const endpoints: Endpoint[] = [];
  const whereabouts: Whereabouts[] = [];

  return {
    enrich(batch, emit) {
      const topology = options.topology.snapshot();
      const reporter = topology.lookupNode(batch.node);
      resolveEndpoints(batch, topology, endpoints);
      for (let i = 0; i < batch.addressNumbers.length; i++) whereabouts[i] = whereaboutsFrom(batch.node, endpoints[i]!);
      const context = { batch, topology, reporter, endpoints, whereabouts, row, counts: noCounts(), emit };
      row.setReporter(batch, reporter);
      for (let index = 0; index < batch.count; index++) {
        emitFlow(context, index);
      }
      for (const loss of batch.losses) {
        context.counts.lossRows++;
        context.counts.rows++;
        emit(lossRow(loss, options.cluster, batch.node, reporter));
      }
      return context.counts;
    },
  };
}

function noCounts(): Counts {
  return { flows: 0, rows: 0, lossRows: 0, forwardedFlows: 0, guessedFlows: 0, unknownNodeFlows: 0 };
}

function emitFlow(context: BatchContext, index: number): void {
  const { batch, row, counts } = context;
  const initiator = context.endpoints[batch.initiator[index]!]!;
  const responder = context.endpoints[batch.responder[index]!]!;
  const initiatorIs = context.whereabouts[batch.initiator[index]!]!;
  const responderIs = context.whereabouts[batch.responder[index]!]!;
  counts.flows++;
  if (context.reporter === undefined) {
    counts.unknownNodeFlows++;
  }
  row.protocol = protocolName(batch.protocol[index]!);
  row.port = batch.responderPort[index]!;
  row.service = serviceOf(context, index, responder);
  switch (decideLegs(initiatorIs, responderIs, context.reporter !== undefined)) {
    case 'initiator':
      emitLeg(context, index, initiator, responder, true);
      return;
    case 'responder':
      emitLeg(context, index, responder, initiator, false);
      return;
    case 'both':
      emitLeg(context, index, initiator, responder, true);
      emitLeg(context, index, responder, initiator, false);
      return;
    case 'forwarded':
      counts.forwardedFlows++;
      emitNodeLeg(context, index, initiator, originalDestination(context, index), false);
      emitNodeLeg(context, index, responder, translatedSource(context, index), true);
      return;
    case 'guess-initiator':
      counts.guessedFlows++;
      emitGuess(context, index, initiator, initiatorIs, responder, true);
      return;
    case 'guess-responder':
      counts.guessedFlows++;
      emitGuess(context, index, responder, responderIs, initiator, false);
      return;
  }
}

/** A leg whose local side is an end of the flow. */
function emitLeg(context: BatchContext, index: number, local: Endpoint, peer: Endpoint, isInitiator: boolean): void {
  context.row.setLocal(local);
  finishLeg(context, index, peer, isInitiator, local.resolution);
}

/** One row for a flow whose legs nobody can know. An end that lives elsewhere lends its address, not its name. */
function emitGuess(
  context: BatchContext,
  index: number,
  local: Endpoint,
  localIs: Whereabouts,
  peer: Endpoint,
  isInitiator: boolean,
): void {
  if (localIs === 'elsewhere') {
    context.row.setLocalUnnamed(null, local.address);
  } else {
    context.row.setLocal(local);
  }
  finishLeg(context, index, peer, isInitiator, localIs === 'elsewhere' ? 'none' : local.resolution);
}

/** A leg between the reporting node and one end of a flow that it passes on. `via`: the address it is known by there. */
function emitNodeLeg(
  context: BatchContext,
  index: number,
  peer: Endpoint,
  via: Endpoint | undefined,
  localIsInitiator: boolean,
): void {
  const isOwn = via?.isNodeAddress === true && whereaboutsFrom(context.batch.node, via) === 'here';
  const ip = isOwn ? via.address : mainAddress(context.reporter, peer.address.includes(':'));
  context.row.setLocalUnnamed('node', ip);
  finishLeg(context, index, peer, localIsInitiator, 'exact');
}

function finishLeg(
  context: BatchContext,
  index: number,
  peer: Endpoint,
  localIsInitiator: boolean,
  localResolution: Resolution,
): void {
  const { batch, row } = context;
  row.setPeer(peer);
  row.setCounters(batch, index, localIsInitiator);
  const sides = worseResolution(localResolution, peer.resolution);
  row.resolution = batch.folded?.[index] === 1 ? worseResolution(sides, 'folded') : sides;
  context.counts.rows++;
  context.emit(row);
}

/** "namespace/name" of the service that the initiator asked for: by its address, or by a node's address and a node port. */
function serviceOf(context: BatchContext, index: number, responder: Endpoint): string | null {
  const asked = originalDestination(context, index);
  const service = asked === undefined ? responder.service : serviceAt(context, index, asked);
  return service === undefined ? null : serviceName(service);
}

/** An address of a node, or one that several services share, is told apart by its port. */
function serviceAt(context: BatchContext, index: number, asked: Endpoint): ServiceIdentity | undefined {
  const { service } = asked;
  if (service !== undefined && asked.resolution === 'exact') return service;
  return asked.isNodeAddress || service !== undefined
    ? (nodePortService(context, index, asked.address) ?? service)
    : undefined;
}

function nodePortService({ batch, topology }: BatchContext, index: number, address: string) {
  const port = batch.originalDestinationPort[index]!;
  return topology.lookupNodePort(port, batch.protocol[index]!, address, batch.windowStartUs, batch.windowEndUs);
}

const serviceNames = new WeakMap<ServiceIdentity, string>();

function serviceName(service: ServiceIdentity): string {
  let name = serviceNames.get(service);
  if (name === undefined) {
    name = `${service.namespace}/${service.name}`;
    serviceNames.set(service, name);
  }
  return name;
}

function originalDestination({ batch, endpoints }: BatchContext, index: number): Endpoint | undefined {
  const position = batch.originalDestination[index]!;
  return position === 0 ? undefined : endpoints[position - 1];
}

function translatedSource({ batch, endpoints }: BatchContext, index: number): Endpoint | undefined {
  const position = batch.translatedSource[index]!;
  return position === 0 ? undefined : endpoints[position - 1];
}

function mainAddress(node: NodeIdentity | undefined, isIpv6: boolean): string | null {
  return node?.addresses.find((address) => address.includes(':') === isIpv6) ?? null;
}
