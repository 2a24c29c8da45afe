// The calculator's input from text: flows as rows, each with the pricing that holds for it. Every problem is named at once, with its
// place.
import { parseText } from '../document/parse-text.ts';
import { type DocumentKind, Problems } from '../document/problems.ts';
import type { FlowRow } from '../model/flow-row.ts';
import type { PriceBook } from '../pricing/book/format.ts';
import { checkConfig, checkOwnPath } from '../pricing/config/check.ts';
import type { PathRule, PricingConfig } from '../pricing/config/format.ts';
import { booksInForce, defaultPricing, type PricingSetup } from '../pricing/config/read.ts';
import { PrefixMap } from '../pricing/networks.ts';
import { inputRow, networksOf } from './input-row.ts';
import { type InputFlow, type PriceInput, priceInputSchema } from './price-input.ts';

const PRICE_INPUT: DocumentKind = { name: 'price input', code: 'PRICING_INVALID', page: 'docs/calculator.md' };

/** Files that the input names; paths are as it has them. */
export interface NamedFiles {
  loadPricing(path: string): PricingSetup;
  loadBook(path: string): PriceBook;
}

/** A flow, and what its price depends on. */
export interface ReadFlow {
  /** Its name, or its place in the list: "flow 1". */
  readonly name: string;
  /** Place in the document, for errors: "flows[0]". */
  readonly place: string;
  readonly date: string;
  readonly times: number;
  /** Without prices. */
  readonly row: FlowRow;
  /** With the path and the switches that are said of this flow alone. */
  readonly config: PricingConfig;
  /** That path; it is the first of the rules. */
  readonly ownPath: string | null;
}

export interface ReadInput {
  readonly flows: readonly ReadFlow[];
  readonly soFar: readonly ReadFlow[];
  readonly books: readonly PriceBook[];
  readonly inClusterRanges: (address: string) => boolean;
  /** Whether the document says itself what prices depend on. */
  readonly hasOwnPricing: boolean;
}

/**
 * Reads YAML or JSON. Throws PRICING_INVALID, listing every problem, and what a file that it names is refused with.
 * @param name of the text, for errors
 * @param given the pricing for a document that has none
 */
export function readPriceInput(text: string, name: string, files: NamedFiles, given?: PricingSetup): ReadInput {
  const problems = new Problems(PRICE_INPUT);
  const raw = parseText(text, problems);
  const parsed = raw && priceInputSchema.safeParse(raw);
  if (parsed?.success === false) problems.addIssues([], parsed.error);
  problems.throwIfAny(name);
  const input = parsed!.data!;
  const { config, books } = setupOf(input, files, given, problems);
  const networks = networksOf(config.networks ?? []);
  const ranges = new PrefixMap([{ ranges: input.clusterRanges ?? [], value: true }]);
  const read = (flow: InputFlow, list: 'flows' | 'soFar', index: number): ReadFlow => {
    const below = problems.below([list, index]);
    const ownRule = ruleOf(flow);
    return {
      name: flow.name ?? `${list === 'flows' ? 'flow' : 'earlier'} ${index + 1}`,
      place: `${list}[${index}]`,
      date: flow.date ?? input.date ?? '',
      times: flow.times ?? 1,
      row: inputRow(flow, input.date, networks, below),
      config: ownConfig(flow, ownRule, config, books, below),
      ownPath: ownRule?.path ?? null,
    };
  };
  const flows = input.flows.map((flow, index) => read(flow, 'flows', index));
  const soFar = (input.soFar ?? []).map((flow, index) => read(flow, 'soFar', index));
  problems.throwIfAny(name);
  return {
    flows,
    soFar,
    books,
    inClusterRanges: (address) => ranges.get(address) === true,
    hasOwnPricing: input.pricing !== undefined || input.pricingFile !== undefined,
  };
}

function setupOf(
  input: PriceInput,
  files: NamedFiles,
  given: PricingSetup | undefined,
  problems: Problems,
): PricingSetup {
  const { pricing, pricingFile } = input;
  if (pricing !== undefined && pricingFile !== undefined) {
    problems.add(['pricingFile'], 'stands beside pricing; leave one');
  }
  const own = (input.books ?? []).map((path) => files.loadBook(path));
  const withOwn = ({ config, books }: PricingSetup): PricingSetup => {
    const providers = new Set(own.map(({ provider }) => provider));
    return { config, books: [...own, ...books.filter(({ provider }) => !providers.has(provider))] };
  };
  if (pricing === undefined) {
    const setup = pricingFile === undefined ? (given ?? defaultPricing()) : files.loadPricing(pricingFile);
    return withOwn(setup);
  }
  const setup = withOwn({
    config: pricing,
    books: booksInForce((pricing.books ?? []).map((path) => files.loadBook(path))),
  });
  checkConfig(setup.config, setup.books, problems.below(['pricing']));
  return setup;
}

/** Name of the rule that a flow's own path is. */
export const OWN_RULE = 'path of the flow';

/** All kinds of peers that a rule can name: with them it fits whatever the class, also within the own network. */
const ANY_PEER = ['pod', 'node', 'service', 'provider-service', 'private', 'internet'] as const;

function ruleOf({ path }: InputFlow): PathRule | undefined {
  if (path === undefined) return undefined;
  const said = typeof path === 'string' ? { path } : path;
  return { name: OWN_RULE, ...said, to: { peerKinds: [...ANY_PEER] } };
}

/** The configuration with what is said of one flow alone before it. */
function ownConfig(
  flow: InputFlow,
  rule: PathRule | undefined,
  config: PricingConfig,
  books: readonly PriceBook[],
  problems: Problems,
): PricingConfig {
  const { provider } = flow.local;
  const known = books.filter((book) => book.provider === provider);
  const booksOfIt = known.length === 0 ? books : known;
  const at = typeof flow.path === 'string' ? ['path'] : ['path', 'path'];
  checkOwnPath(
    { path: rule?.path, switches: rule?.switches },
    { path: at, switches: ['path', 'switches'] },
    config,
    booksOfIt,
    problems,
  );
  checkOwnPath({ switches: flow.switches }, { path: [], switches: ['switches'] }, config, booksOfIt, problems);
  const { destination } = flow.peer;
  if (destination !== undefined) {
    checkOwnPath({ switches: { destination } }, { path: [], switches: ['peer'] }, config, booksOfIt, problems);
  }
  if (flow.switches !== undefined && provider === undefined) {
    problems.add(['switches'], 'need the provider of the local side, whose price book has them');
  }
  const values = { ...flow.switches, ...(destination === undefined ? {} : { destination }) };
  return {
    ...config,
    ...(rule !== undefined && { paths: [rule, ...(config.paths ?? [])] }),
    ...(provider !== undefined && {
      switches: { ...config.switches, [provider]: { ...config.switches?.[provider], ...values } },
    }),
  };
}
