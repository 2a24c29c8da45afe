// What befalls requests to the store, from a seed: how often, and what. Pure.
import type { Random } from '../lab/random.ts';
import type { CannedAnswer, ProxiedRequest, Trouble } from '../support/trouble-proxy.ts';

/** Faults by name. Longer than any process waits for an answer: SILENCE_MS in crash-points-s3.ts. */
const FAULTS = {
  'cut before the server sees it': () => 'cut-before',
  'answer dropped after success': () => 'drop-answer',
  'answer cut after success': () => 'cut-answer',
  'cut, and seen by the server later': (random) => ({ lateMs: random.integer(50, 3000) }),
  'held back before the server': (random) => ({ heldMs: random.integer(50, 1500) }),
  'answer delayed': (random) => ({ delayMs: random.integer(50, 1500) }),
  'no answer in time': () => ({ delayMs: 30_000 }),
  '503, not done': () => ({ instead: failed(503, 'SlowDown') }),
  '503 after success': () => ({ afterwards: failed(503, 'ServiceUnavailable') }),
  '500 after success': () => ({ afterwards: failed(500, 'InternalError') }),
  '409, not done': () => ({ instead: failed(409, 'ConditionalRequestConflict') }),
  '412 after success': () => ({ afterwards: failed(412, 'PreconditionFailed') }),
  '412, not done': () => ({ instead: failed(412, 'PreconditionFailed') }),
} as const satisfies Readonly<Record<string, (random: Random) => Trouble>>;

export type StoreFault = keyof typeof FAULTS;

const OF_ANY: readonly StoreFault[] = [
  ...(['cut before the server sees it', 'answer dropped after success', 'answer dropped after success'] as const),
  ...(['answer cut after success', 'cut, and seen by the server later', 'held back before the server'] as const),
  ...(['answer delayed', 'answer delayed', '503, not done', '503 after success', '500 after success'] as const),
];
const OF_CONDITIONAL: readonly StoreFault[] = [
  ...OF_ANY,
  ...(['409, not done', '409, not done', '412 after success', '412 after success', '412, not done'] as const),
];
/** A round of upkeep is hundreds of requests, and shall have a chance to come to its end. */
const PART_OF_ANY = 0.012;
const PART_OF_CONDITIONAL = 0.08;
/** Each stops somebody for seconds. */
const PART_SILENT = 0.0008;

/** What befalls a request; undefined: nothing. */
export function storeFault(
  random: Random,
  { method, headers }: Pick<ProxiedRequest, 'method' | 'headers'>,
): { readonly fault: StoreFault; readonly trouble: Trouble } | undefined {
  const isConditional = method === 'PUT' && headers['if-none-match'] === '*';
  let fault: StoreFault | undefined;
  if (random.chance(PART_SILENT)) fault = 'no answer in time';
  else if (random.chance(isConditional ? PART_OF_CONDITIONAL : PART_OF_ANY)) {
    fault = random.pick(isConditional ? OF_CONDITIONAL : OF_ANY);
  }
  return fault && { fault, trouble: FAULTS[fault](random) };
}

/** An answer of S3's kind. */
function failed(status: number, code: string): CannedAnswer {
  const body = `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>as the test asked</Message></Error>`;
  return { status, headers: { 'content-type': 'application/xml' }, body };
}
