// `flowtoll tokens new`: a token for somebody who may read flows, and its line for the file of --read-tokens. The token is printed once and
// kept nowhere. Options in, text out.
import { createHash, randomBytes } from 'node:crypto';
import { Command, InvalidArgumentError, Option } from 'commander';
import { NAMESPACE, READER_NAME, type TokenEntry } from '../identity/readers/token-file-format.ts';
import { FlowtollError } from '../model/errors.ts';
import { parseDuration, parseList } from './option-values.ts';
import { type CommandOutput, processOutput } from './options.ts';

interface NewTokenFlags {
  readonly name: string;
  readonly namespaces: readonly string[] | 'all';
  readonly expires?: Expiry;
  readonly format: 'text' | 'json';
}

/** What the command needs of its surroundings. */
export interface TokenSurroundings {
  readonly output: CommandOutput;
  /** Milliseconds since the Unix epoch. */
  readonly nowMs: () => number;
  readonly randomBytes: (count: number) => Buffer;
}

/** Nobody guesses one of 2^256, so its plain hash may lie in a file. The beginning is for those who look for secrets in texts. */
const SECRET_BYTES = 32;
const PREFIX = 'flowtoll_read_';
const LIFE_MAX_MS = 10 * 365 * 86_400_000;

/** In so long, or at an instant. */
type Expiry = { readonly inMs: number } | { readonly atMs: number };

export function tokensCommand(
  surroundings: () => TokenSurroundings = () => ({ output: processOutput(), nowMs: Date.now, randomBytes }),
): Command {
  return new Command('tokens').description('tokens of those who may read flows (docs/security.md)').addCommand(
    new Command('new')
      .description('make a token, and its line for the file of flowtoll serve --read-tokens')
      .addOption(
        new Option('--name <name>', 'who gets it: a team or a program').argParser(parseName).makeOptionMandatory(),
      )
      .addOption(
        new Option('--namespaces <name,…>', 'whose flows it may see')
          .default('all', 'all')
          .argParser((text) => (text === 'all' ? 'all' : parseNamespaces(text))),
      )
      .addOption(
        new Option(
          '--expires <when>',
          'until when it is good: a time from now, such as 90d, or 2027-01-31T00:00Z (default: for ever)',
        ).argParser(parseExpiry),
      )
      .addOption(
        new Option('--format <format>', 'for people, or exact for programs').choices(['text', 'json']).default('text'),
      )
      .action((flags: NewTokenFlags) => makeToken(flags, surroundings())),
  );
}

async function makeToken(
  { name, namespaces, expires, format }: NewTokenFlags,
  { output, nowMs, randomBytes: random }: TokenSurroundings,
): Promise<void> {
  const expiresMs = expires && ('atMs' in expires ? expires.atMs : nowMs() + expires.inMs);
  if (expiresMs !== undefined && expiresMs <= nowMs()) {
    throw new FlowtollError('CONFIG_INVALID', '--expires is in the past: nobody could use the token');
  }
  const token = `${PREFIX}${random(SECRET_BYTES).toString('base64url')}`;
  const entry: TokenEntry = {
    name,
    sha256: createHash('sha256').update(token).digest('hex'),
    namespaces: namespaces === 'all' ? 'all' : [...namespaces],
    ...(expiresMs !== undefined && { expires: new Date(expiresMs).toISOString() }),
  };
  if (format === 'json') {
    await output.write(`${JSON.stringify({ token, entry })}\n`);
    return;
  }
  await output.write(
    `The token of ${name}; it is shown once, and whoever has it reads flows:\n${token}\n\n` +
      `Its line in the file of --read-tokens, under "version: 1" and "tokens:"; it holds no secret:\n  - ${JSON.stringify(entry)}\n`,
  );
}

function parseExpiry(text: string): Expiry {
  if (!/^\d{4}-/.test(text)) return { inMs: parseDuration(60_000, LIFE_MAX_MS)(text) };
  // Without a zone it would be this machine's.
  const isWhole = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d))?$/.test(text);
  const atMs = isWhole ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(atMs)) {
    throw new InvalidArgumentError('It takes a time such as 90d, a day (UTC), or an instant with its zone.');
  }
  return { atMs };
}

function parseName(text: string): string {
  if (!READER_NAME.test(text)) {
    throw new InvalidArgumentError('A name has letters, digits, "-", "." and "_", at most 100.');
  }
  return text;
}

function parseNamespaces(text: string): readonly string[] {
  const names = parseList(text);
  const wrong = names.find((name) => !NAMESPACE.test(name));
  if (names.length === 0 || wrong !== undefined) {
    throw new InvalidArgumentError('It takes names of namespaces, separated by commas, or all.');
  }
  return names;
}
