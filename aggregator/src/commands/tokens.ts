// `flowtoll tokens new`: a token for somebody who may read flows, and its line for the file of --read-tokens. The token is printed once and
// kept nowhere. Options in, text out.
import { createHash, randomBytes } from 'node:crypto';
import { Command, InvalidArgumentError, Option } from 'commander';
import { NAMESPACE, READER_NAME, type TokenEntry } from '../identity/readers/token-file-format.ts';
import { parseDuration, parseList } from './option-values.ts';
import { type CommandOutput, processOutput } from './options.ts';

interface NewTokenFlags {
  readonly namespaces: readonly string[] | 'all';
  readonly expiresIn?: number;
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
const YEAR_MS = 365 * 86_400_000;

export function tokensCommand(
  surroundings: () => TokenSurroundings = () => ({ output: processOutput(), nowMs: Date.now, randomBytes }),
): Command {
  return new Command('tokens').description('tokens of those who may read flows (docs/security.md)').addCommand(
    new Command('new')
      .description('make a token, and its line for the file of flowtoll serve --read-tokens')
      .argument('<name>', 'who gets it: a team or a program', parseName)
      .addOption(
        new Option('--namespaces <name,…>', 'whose flows it may see')
          .default('all', 'all')
          .argParser((text) => (text === 'all' ? 'all' : parseNamespaces(text))),
      )
      .addOption(
        new Option('--expires-in <time>', 'for how long it is good, such as 90d (default: for ever)').argParser(
          parseDuration(60_000, 10 * YEAR_MS),
        ),
      )
      .addOption(
        new Option('--format <format>', 'for people, or exact for programs').choices(['text', 'json']).default('text'),
      )
      .action((name: string, flags: NewTokenFlags) => makeToken(name, flags, surroundings())),
  );
}

async function makeToken(
  name: string,
  { namespaces, expiresIn, format }: NewTokenFlags,
  { output, nowMs, randomBytes: random }: TokenSurroundings,
): Promise<void> {
  const token = `${PREFIX}${random(SECRET_BYTES).toString('base64url')}`;
  const entry: TokenEntry = {
    name,
    sha256: createHash('sha256').update(token).digest('hex'),
    namespaces: namespaces === 'all' ? 'all' : [...namespaces],
    ...(expiresIn !== undefined && { expires: new Date(nowMs() + expiresIn).toISOString() }),
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
