// The certificate of the ports that `flowtoll serve` opens, and when they may do without: where nobody but this machine can listen, or
// where it was asked for. Joins files of certificates with what grpc-js takes.

import type { ListenAddress } from '@flowtoll/proto/telemetry';
import {
  CertificateFiles,
  type CertificateStatus,
  isLoopback,
  serverCredentials,
  TlsFileError,
} from '@flowtoll/proto/tls';
import { ServerCredentials } from '@grpc/grpc-js';
import { FlowtollError } from './model/errors.ts';
import { backgroundTimers } from './model/schedule.ts';

export interface ServerTlsConfig {
  /** PEM files of our own certificate and its key; undefined: plain text. */
  readonly tlsCert?: string | undefined;
  readonly tlsKey?: string | undefined;
  /** PEM file of the authorities of clients' certificates; undefined: clients show none. */
  readonly tlsClientCa?: string | undefined;
}

export interface ServerTls {
  /** For a port whose clients show certificates. */
  readonly forAgents: ServerCredentials;
  /** For a port whose clients show none. */
  readonly forReaders: ServerCredentials;
  /** Undefined: plain text. */
  readonly status: () => CertificateStatus | undefined;
  /** Begins to look for changes of the files. */
  start(): void;
  stop(): void;
}

type Log = ConstructorParameters<typeof CertificateFiles>[1]['log'];

/** Reads the files. Throws CONFIG_INVALID. */
export function openServerTls({ tlsCert, tlsKey, tlsClientCa }: ServerTlsConfig, log: Log): ServerTls {
  if ((tlsCert === undefined) !== (tlsKey === undefined)) {
    throw new FlowtollError(
      'CONFIG_INVALID',
      'a certificate and its key belong together: give both --tls-cert and --tls-key',
    );
  }
  if (tlsCert === undefined || tlsKey === undefined) {
    if (tlsClientCa !== undefined) {
      throw new FlowtollError('CONFIG_INVALID', '--tls-client-ca without TLS: give --tls-cert and --tls-key, too');
    }
    const plain = ServerCredentials.createInsecure();
    return { forAgents: plain, forReaders: plain, status: () => undefined, start: () => {}, stop: () => {} };
  }
  try {
    const files = new CertificateFiles(
      { own: { certFile: tlsCert, keyFile: tlsKey }, authoritiesFile: tlsClientCa },
      { log, now: Date.now, schedule: backgroundTimers },
    );
    return {
      forAgents: serverCredentials(files, tlsClientCa !== undefined),
      forReaders: serverCredentials(files, false),
      status: () => files.status,
      start: () => files.start(),
      stop: () => files.stop(),
    };
  } catch (error) {
    if (!(error instanceof TlsFileError)) throw error;
    throw new FlowtollError('CONFIG_INVALID', error.message, { cause: error });
  }
}

export interface ReachableConfig extends ServerTlsConfig {
  /** Everything may be open to everybody. */
  readonly insecure: boolean;
}

/**
 * Refuses a port that other machines reach without TLS, or without asking whoever comes who they are. Throws CONFIG_INVALID.
 * @param flag that says where, "--listen"
 * @param asksWith flag by which callers are asked who they are, and whether they are
 */
export function requireSecure(
  { tlsCert, insecure }: ReachableConfig,
  { flag, address, asksWith, asks }: { flag: string; address: ListenAddress; asksWith: string; asks: boolean },
): void {
  if (insecure || isLoopback(address.host)) return;
  const missing = [
    ...(tlsCert === undefined ? ['a certificate (--tls-cert, --tls-key)'] : []),
    ...(asks ? [] : [`a way to tell who calls (${asksWith})`]),
  ];
  if (missing.length === 0) return;
  throw new FlowtollError(
    'CONFIG_INVALID',
    `${flag} ${address.host} is open to other machines and lacks ${missing.join(' and ')}: give it, listen on 127.0.0.1, or allow ` +
      'it for a trial with --insecure (docs/security.md)',
  );
}
