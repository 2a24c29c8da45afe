// Certificates → what grpc-js takes as credentials, for both sides of a connection.

import { isIP } from 'node:net';
import { checkServerIdentity, getCACertificates } from 'node:tls';
import {
  type ChannelCredentials,
  type ChannelOptions,
  credentials,
  experimental,
  type ServerCredentials,
} from '@grpc/grpc-js';
import type { CertificateFiles } from './certificate-files.ts';
import { hostOf } from './loopback.ts';
import { TlsFileError } from './tls-file-error.ts';

/**
 * A server's. With `asksClients` each client is asked for a certificate of the files' authorities; those who have none get in all
 * the same, unnamed, because not every service of a port needs one: who needs it looks at the call.
 */
export function serverCredentials(files: CertificateFiles, asksClients: boolean): ServerCredentials {
  // grpc-js 1.14 names its first parameter after authorities and uses it for our own certificate, and the second one the
  // other way round. Both are these files, unless clients are not asked.
  return experimental.createCertificateProviderServerCredentials(files, asksClients ? files : null, false);
}

/** How a client connects. */
export interface ClientTls {
  readonly credentials: ChannelCredentials;
  /** To be given to the channel, besides its own. */
  readonly channelOptions: ChannelOptions;
}

/** What a client trusts and shows. */
export interface ClientTlsConfig {
  /** "host:port" of the server. */
  readonly server: string;
  /** Whom to trust: the authorities in `files`, or those that this machine trusts. */
  readonly trust: 'files' | 'system';
  /** Name that the server's certificate must have. Default: the host of `server`. */
  readonly serverName?: string | undefined;
  /** Whether the files have a certificate to show. */
  readonly showsOwn: boolean;
}

/** A client without TLS. */
export function plainText(): ClientTls {
  return { credentials: credentials.createInsecure(), channelOptions: {} };
}

/**
 * A client's. @param files of the authorities and of the client's own certificate; undefined where neither is used
 * @throws TlsFileError when this machine trusts nobody
 */
export function clientTls(config: ClientTlsConfig, files: CertificateFiles | undefined): ClientTls {
  const authorities = config.trust === 'system' || files === undefined ? systemAuthorities() : files;
  const own = config.showsOwn && files !== undefined ? files : null;
  const host = config.serverName ?? hostOf(config.server);
  if (isIP(host) === 0) {
    return {
      credentials: experimental.createCertificateProviderChannelCredentials(authorities, own),
      channelOptions: config.serverName === undefined ? {} : { 'grpc.ssl_target_name_override': config.serverName },
    };
  }
  // Node warns of an address as the name that a client asks for, which RFC 6066 forbids, and grpc-js always asks for one.
  return {
    credentials: experimental.createCertificateProviderChannelCredentials(authorities, own, {
      checkServerIdentity: (_name, certificate) => checkServerIdentity(host, certificate),
    }),
    channelOptions: { 'grpc.ssl_target_name_override': NAME_FOR_ADDRESSES },
  };
}

/** Asked for in place of an address; never checked. */
const NAME_FOR_ADDRESSES = 'flowtoll.invalid';

function systemAuthorities(): experimental.CertificateProvider {
  const certificates = getCACertificates('system');
  if (certificates.length === 0) {
    throw new TlsFileError(
      'this machine trusts no certificate authority (its package ca-certificates may be missing): give the one of the ' +
        'aggregator with --tls-ca',
    );
  }
  const caCertificate = Buffer.from(certificates.join('\n'));
  return {
    addCaCertificateListener: (listener) => process.nextTick(listener, { caCertificate }),
    removeCaCertificateListener: () => undefined,
    addIdentityCertificateListener: (listener) => process.nextTick(listener, null),
    removeIdentityCertificateListener: () => undefined,
  };
}
