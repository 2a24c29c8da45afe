// How an aggregator is reached, put together from the configuration: certificates in files, and a token that is read anew for each stream,
// because the kubelet renews it. Plain text only where nobody else can listen, or where it was asked for.
import { readFileSync } from 'node:fs';
import {
  CertificateFiles,
  type CertificateStatus,
  type ClientTls,
  clientTls,
  isLoopback,
  plainText,
  TlsFileError,
} from '@flowtoll/proto/tls';
import type { RunConfig } from './config.ts';
import { AgentError } from './errors.ts';
import type { Logger } from './log.ts';

/** What is needed of the configuration. */
export type ConnectionConfig = Pick<
  RunConfig,
  'aggregator' | 'tlsCa' | 'tlsServerName' | 'tlsCert' | 'tlsKey' | 'tokenFile' | 'insecure'
>;

export interface Connection {
  /** For the links. */
  readonly tls: ClientTls;
  /** Reads the token; undefined where none is shown. Throws an AgentError that names the file, and never what is in it. */
  readonly token: (() => string) | undefined;
  /** How the files of certificates stand; undefined where there are none. */
  readonly tlsStatus: () => CertificateStatus | undefined;
  /** Begins to look for changes of the files. */
  start(): void;
  stop(): void;
}

/** A token is some 1,200 characters; what is longer is another file. */
const TOKEN_LENGTH_MAX = 16_384;

/** Reads the files. @throws AgentError CONFIG_INVALID */
export function openConnection(config: ConnectionConfig, log: Pick<Logger, 'info' | 'warn' | 'error'>): Connection {
  requireSecure(config);
  const { aggregator, tlsCa, tlsServerName, tokenFile } = config;
  const token = tokenFile === undefined ? undefined : () => readToken(tokenFile);
  token?.();
  if (tlsCa === undefined) {
    if (!isLoopback(aggregator)) {
      log.warn(
        { aggregator },
        'flows' +
          (token ? ', and the token,' : '') +
          ' go to the aggregator in plain text (--insecure): for trials only',
      );
    }
    return { tls: plainText(), token, tlsStatus: () => undefined, start: () => undefined, stop: () => undefined };
  }
  try {
    const files = certificateFiles(config, log);
    const trust = tlsCa === 'system' ? 'system' : 'files';
    return {
      tls: clientTls(
        { server: aggregator, trust, serverName: tlsServerName, showsOwn: config.tlsCert !== undefined },
        files,
      ),
      token,
      tlsStatus: () => files?.status,
      start: () => files?.start(),
      stop: () => files?.stop(),
    };
  } catch (error) {
    if (!(error instanceof TlsFileError)) throw error;
    throw new AgentError('CONFIG_INVALID', error.message, { cause: error });
  }
}

function requireSecure({ aggregator, tlsCa, tlsServerName, tlsCert, tlsKey, insecure }: ConnectionConfig): void {
  if ((tlsCert === undefined) !== (tlsKey === undefined)) {
    throw new AgentError(
      'CONFIG_INVALID',
      'a certificate and its key belong together: give both --tls-cert and --tls-key',
    );
  }
  if (tlsCa !== undefined) return;
  if (tlsCert !== undefined || tlsServerName !== undefined) {
    throw new AgentError(
      'CONFIG_INVALID',
      `${tlsCert === undefined ? '--tls-server-name' : '--tls-cert'} without TLS: say whom to trust with --tls-ca FILE, or --tls-ca system`,
    );
  }
  if (insecure || isLoopback(aggregator)) return;
  throw new AgentError(
    'CONFIG_INVALID',
    `flows would go to ${aggregator} in plain text: give the aggregator's certificate authority with --tls-ca FILE ` +
      '(--tls-ca system for those that this machine trusts), or --insecure for a trial',
  );
}

function certificateFiles(
  { tlsCa, tlsCert, tlsKey }: ConnectionConfig,
  log: Pick<Logger, 'info' | 'warn' | 'error'>,
): CertificateFiles | undefined {
  const authoritiesFile = tlsCa === 'system' ? undefined : tlsCa;
  const own = tlsCert !== undefined && tlsKey !== undefined ? { certFile: tlsCert, keyFile: tlsKey } : undefined;
  if (own === undefined && authoritiesFile === undefined) return undefined;
  const schedule = (callback: () => void, delayMs: number) => {
    const timer = setTimeout(callback, delayMs).unref();
    return () => clearTimeout(timer);
  };
  return new CertificateFiles({ own, authoritiesFile }, { log, now: Date.now, schedule });
}

function readToken(file: string): string {
  let text: string;
  try {
    text = readFileSync(file, 'utf8').trim();
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code ?? String(error);
    throw new AgentError(
      'CONFIG_INVALID',
      `cannot read the token in ${file} (${reason}): check the path (--token-file)`,
    );
  }
  if (!/^[\x21-\x7e]+$/.test(text) || text.length > TOKEN_LENGTH_MAX) {
    throw new AgentError(
      'CONFIG_INVALID',
      `${file} holds no token: give a file that holds one, and nothing else (--token-file)`,
    );
  }
  return text;
}
