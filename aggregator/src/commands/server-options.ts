// Options of commands that ask an aggregator: where it is, whom to trust, and what to show it. A token is never an argument, because
// everybody on the machine sees those.
import { CertificateFiles, type ClientTls, clientTls, isLoopback, plainText, TlsFileError } from '@flowtoll/proto/tls';
import { type Command, Option } from 'commander';
import { readToken, type TokenPlace } from '../client/reader-token.ts';
import { FlowtollError } from '../model/errors.ts';
import { backgroundTimers } from '../model/schedule.ts';
import { parsePath } from './option-values.ts';

export interface ServerFlags {
  /** host:port */
  readonly server: string;
  /** A file, or "system". */
  readonly tlsCa?: string;
  readonly tlsServerName?: string;
  readonly tokenFile?: string;
  readonly insecure: boolean;
}

export interface ServerSurroundings {
  /** FLOWTOLL_TOKEN. */
  readonly token: string | undefined;
  remark(text: string): void;
}

/** How to reach the server, and what to show there. */
export interface ServerAccess {
  readonly channel: ClientTls;
  /** Undefined where nothing is shown. */
  readonly token: (() => Promise<string>) | undefined;
  stop(): void;
}

const SYSTEM = 'system';

/** Adds them to the command. */
export function addServerOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--server <host:port>', 'an aggregator; any replica will do')
        .env('FLOWTOLL_SERVER')
        .default('127.0.0.1:4460'),
    )
    .addOption(
      new Option(
        '--tls-ca <file>',
        'use TLS, and trust the certificate authorities in this file, or "system": those of this machine',
      )
        .env('FLOWTOLL_TLS_CA')
        .argParser(parsePath),
    )
    .addOption(
      new Option('--tls-server-name <name>', "with --tls-ca: name in the server's certificate (default: its host)").env(
        'FLOWTOLL_TLS_SERVER_NAME',
      ),
    )
    .addOption(
      new Option(
        '--token-file <file>',
        'show the token in this file, which may be renewed (or the environment variable FLOWTOLL_TOKEN)',
      )
        .env('FLOWTOLL_TOKEN_FILE')
        .argParser(parsePath),
    )
    .addOption(
      new Option('--insecure', 'show the token to another machine in plain text, too').default(false, 'never'),
    );
}

/** Throws CONFIG_INVALID. */
export function serverAccess(flags: ServerFlags, surroundings: ServerSurroundings): ServerAccess {
  const { server, tlsCa, tlsServerName, insecure } = flags;
  const place = tokenPlace(flags, surroundings);
  const token = place && (() => readToken(place));
  if (tlsCa === undefined) {
    if (tlsServerName !== undefined) {
      throw invalid('--tls-server-name is of no use without TLS: give --tls-ca, a file or "system"');
    }
    if (token !== undefined && !isLoopback(server) && !insecure) {
      throw invalid(
        `the token would go to ${server} in plain text: give --tls-ca, a file or "system", or say --insecure`,
      );
    }
    return { channel: plainText(), token, stop: () => undefined };
  }
  try {
    const files = tlsCa === SYSTEM ? undefined : authorities(tlsCa, surroundings);
    const channel = clientTls(
      { server, trust: files === undefined ? 'system' : 'files', serverName: tlsServerName, showsOwn: false },
      files,
    );
    return { channel, token, stop: () => files?.stop() };
  } catch (error) {
    throw error instanceof TlsFileError ? invalid(`${error.message} (--tls-ca)`) : error;
  }
}

function authorities(file: string, { remark }: ServerSurroundings): CertificateFiles {
  const say = (_: object, message: string) => remark(`flowtoll: ${message}\n`);
  const log = { info: () => undefined, warn: say, error: say };
  const files = new CertificateFiles({ authoritiesFile: file }, { log, now: Date.now, schedule: backgroundTimers });
  files.start();
  return files;
}

function tokenPlace({ tokenFile }: ServerFlags, { token }: ServerSurroundings): TokenPlace | undefined {
  if (tokenFile !== undefined) return { file: tokenFile };
  return token === undefined || token === '' ? undefined : { text: token, name: 'the variable FLOWTOLL_TOKEN' };
}

function invalid(message: string): FlowtollError {
  return new FlowtollError('CONFIG_INVALID', message);
}
