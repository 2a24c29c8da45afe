// Options of `flowtoll serve` that say where readers connect and who may: their names, and what of them does not go together. Text and
// flags in, decisions out; opens nothing.
import type { ListenAddress } from '@flowtoll/proto/telemetry';
import { isLoopback } from '@flowtoll/proto/tls';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { FlowtollError } from '../model/errors.ts';
import type { ReaderSource } from '../reader-source.ts';
import { listenAddress, parseCount, parsePath } from './option-values.ts';

export interface ReadFlags {
  readonly readListen?: ListenAddress;
  readonly readAuth: 'none' | 'tokens' | 'kubernetes';
  readonly readTokens?: string;
  readonly readAudience: string;
  readonly watchersMax: number;
  readonly watchersPerReader: number;
}

/** What else `flowtoll serve` was told that matters to readers. */
export interface ReadSurroundings {
  readonly listen: ListenAddress;
  readonly kubernetes?: string | undefined;
  readonly kubeContext?: string | undefined;
  /** Whether what is read is encrypted on its way. */
  readonly hasTls: boolean;
  /** Whether somebody said that all this may be open. */
  readonly insecure: boolean;
}

/** Where the read APIs are, and who may use them. */
export interface ReadAccess {
  /** "own": a port for readers; "ingest": that of the agents; "closed": nowhere. */
  readonly at: 'own' | 'ingest' | 'closed';
  readonly source: ReaderSource;
}

export const READ_AUDIENCE = 'flowtoll-read';
const READ_AUTH = ['none', 'tokens', 'kubernetes'];

/** Adds them to the command. */
export function addReadOptions(command: Command): Command {
  return command
    .addOption(
      new Option(
        '--read-listen <host:port>',
        'where readers connect (flowtoll watch and other clients); without it they do so where agents do, on this machine only',
      )
        .env('FLOWTOLL_READ_LISTEN')
        .argParser(listenAddress),
    )
    .addOption(
      new Option(
        '--read-auth <how>',
        'how readers show who they are: tokens of a file, of Kubernetes, or not at all (docs/security.md)',
      )
        .env('FLOWTOLL_READ_AUTH')
        .choices(READ_AUTH)
        .default('none'),
    )
    .addOption(
      new Option('--read-tokens <file>', 'with --read-auth tokens: hashes of tokens and what each may see')
        .env('FLOWTOLL_READ_TOKENS')
        .argParser(parsePath),
    )
    .addOption(
      new Option('--read-audience <name>', 'with --read-auth kubernetes: the audience that tokens must be for')
        .env('FLOWTOLL_READ_AUDIENCE')
        .default(READ_AUDIENCE)
        .argParser(parseAudience),
    )
    .addOption(
      new Option(
        '--watchers-max <count>',
        'most streams of rows (flowtoll watch and other clients) at one time, 0 to 1000',
      )
        .env('FLOWTOLL_WATCHERS_MAX')
        .default(32)
        .argParser(parseCount(0, 1000)),
    )
    .addOption(
      new Option('--watchers-per-reader <count>', 'most streams of one reader at one time, 1 to 1000')
        .env('FLOWTOLL_WATCHERS_PER_READER')
        .default(8)
        .argParser(parseCount(1, 1000)),
    );
}

/** Throws CONFIG_INVALID for what would be open unasked, or cannot be meant. */
export function readAccess(flags: ReadFlags, surroundings: ReadSurroundings): ReadAccess {
  const { readListen, readAuth } = flags;
  const source = readerSource(flags, surroundings);
  const { listen, hasTls, insecure } = surroundings;
  if (readListen === undefined) {
    if (readAuth !== 'none') {
      throw invalid(`--read-auth ${readAuth} is for a port of the readers' own: give --read-listen, such as :4461`);
    }
    return { at: isLoopback(listen.host) || insecure ? 'ingest' : 'closed', source };
  }
  if (readListen.port !== 0 && readListen.port === listen.port) {
    throw invalid(`--read-listen and --listen have the same port ${listen.port}: give readers another one`);
  }
  if (!isLoopback(readListen.host) && !insecure) {
    const where = `--read-listen ${readListen.host}:${readListen.port} can be reached from outside of this machine`;
    if (readAuth === 'none') {
      throw invalid(
        `${where}, and anybody could read all flows: give --read-auth kubernetes or tokens, listen on 127.0.0.1, or say --insecure`,
      );
    }
    if (!hasTls) {
      throw invalid(
        `${where}, and tokens would go over the network in plain text: give --tls-cert and --tls-key, listen on 127.0.0.1, or say --insecure`,
      );
    }
  }
  return { at: 'own', source };
}

function readerSource(
  { readAuth, readTokens, readAudience }: ReadFlags,
  { kubernetes, kubeContext }: ReadSurroundings,
): ReaderSource {
  if (readTokens !== undefined && readAuth !== 'tokens') {
    throw invalid(`--read-tokens is of no use with --read-auth ${readAuth}: give --read-auth tokens, or no file`);
  }
  switch (readAuth) {
    case 'none':
      return { kind: 'none' };
    case 'tokens':
      if (readTokens === undefined) {
        throw invalid('--read-auth tokens needs a file: give --read-tokens; flowtoll tokens new makes its lines');
      }
      return { kind: 'tokens', file: readTokens };
    case 'kubernetes':
      if (kubernetes === undefined) {
        throw invalid('--read-auth kubernetes needs an API server to ask: give --kubernetes');
      }
      return { kind: 'kubernetes', source: kubernetes, context: kubeContext, audience: readAudience };
  }
}

function parseAudience(text: string): string {
  const audience = text.trim();
  if (!/^\S{1,253}$/.test(audience)) throw new InvalidArgumentError('It takes a word without spaces.');
  return audience;
}

function invalid(message: string): FlowtollError {
  return new FlowtollError('CONFIG_INVALID', message);
}
