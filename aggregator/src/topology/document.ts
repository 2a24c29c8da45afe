// Text of a topology file → its entries, each known to have the right shape. Entries are checked one by one, so that a
// broken one hides no problem of another. Contradictions between entries are check.ts's.
import type { z } from 'zod';
import { isMapping, parseText, type Raw } from '../document/parse-text.ts';
import type { Path, Problems } from '../document/problems.ts';
import {
  type ClusterEntry,
  clusterSchema,
  type ExternalEntry,
  externalSchema,
  type NodeEntry,
  nodeSchema,
  type PodEntry,
  podSchema,
  type RangesEntry,
  rangesSchema,
  type ServiceEntry,
  serviceSchema,
  topologySchema,
} from './schema.ts';

/** An entry and where it stands in the file. */
export interface Located<T> {
  readonly path: Path;
  readonly entry: T;
}

/** The well-formed entries of a file. */
export interface TopologyDocument {
  readonly cluster: string | undefined;
  readonly ranges: RangesEntry;
  readonly nodes: readonly Located<NodeEntry>[];
  readonly pods: readonly Located<PodEntry>[];
  readonly services: readonly Located<ServiceEntry>[];
  readonly external: readonly Located<ExternalEntry>[];
  readonly clusters: readonly Located<ClusterEntry>[];
  /** Names of all node entries, malformed ones too: a reference to those is not a second problem. */
  readonly nodeNames: ReadonlySet<string>;
}

/**
 * Parses YAML or JSON; undefined if the text is neither, or no mapping.
 * @param needsNodes nobody else says which nodes there are
 */
export function readDocument(text: string, problems: Problems, needsNodes: boolean): TopologyDocument | undefined {
  const raw = parseText(text, problems);
  if (raw === undefined) {
    return undefined;
  }
  checkTopLevel(raw, problems, needsNodes);
  const ranges = rangesSchema.safeParse(raw['ranges'] ?? {});
  if (!ranges.success) {
    problems.addIssues(['ranges'], ranges.error);
  }
  return {
    cluster: typeof raw['cluster'] === 'string' ? raw['cluster'] : undefined,
    ranges: ranges.success ? ranges.data : {},
    nodes: readEntries(raw, 'nodes', nodeSchema, problems),
    pods: readEntries(raw, 'pods', podSchema, problems),
    services: readEntries(raw, 'services', serviceSchema, problems),
    external: readEntries(raw, 'external', externalSchema, problems),
    clusters: readEntries(raw, 'clusters', clusterSchema, problems),
    nodeNames: new Set(rawList(raw, 'nodes').flatMap((node) => (isMapping(node) ? [String(node['name'])] : []))),
  };
}

/** The top level without what is inside its lists: those are checked entry by entry. */
function checkTopLevel(raw: Raw, problems: Problems, needsNodes: boolean): void {
  const shallow: Raw = { ...raw };
  delete shallow['ranges'];
  for (const key of ['nodes', 'pods', 'services', 'external', 'clusters']) {
    if (Array.isArray(shallow[key])) delete shallow[key];
  }
  const checked = topologySchema.safeParse(shallow);
  if (!checked.success) {
    problems.addIssues([], checked.error);
  }
  const nodes = raw['nodes'];
  if (needsNodes && (nodes === undefined || (Array.isArray(nodes) && nodes.length === 0))) {
    problems.add(
      ['nodes'],
      `is ${nodes === undefined ? 'missing' : 'empty'}; list at least the nodes that run an agent`,
    );
  }
}

function readEntries<T>(raw: Raw, key: string, schema: z.ZodType<T>, problems: Problems): Located<T>[] {
  return rawList(raw, key).flatMap((item, index) => {
    const path = [key, index];
    const parsed = schema.safeParse(item);
    if (!parsed.success) {
      problems.addIssues(path, parsed.error);
      return [];
    }
    return [{ path, entry: parsed.data }];
  });
}

function rawList(raw: Raw, key: string): readonly unknown[] {
  const list = raw[key];
  return Array.isArray(list) ? list : [];
}
