// Text of PEM files → what is checked of it: certificates that are there and valid now, a key that fits. Pure; knows no file.
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { TlsFileError } from './tls-file-error.ts';

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** When certificates are valid, ms since the Unix epoch. */
export interface Validity {
  readonly fromMs: number;
  readonly expiresMs: number;
}

/**
 * A certificate chain and its key, as they may be presented now. It expires when the first of its certificates does.
 * @param certFile, keyFile names for messages
 */
export function checkIdentity(
  pem: { readonly cert: string; readonly key: string },
  { certFile, keyFile }: { readonly certFile: string; readonly keyFile: string },
  nowMs: number,
): Validity {
  const chain = certificatesOf(pem.cert, certFile);
  for (const certificate of chain) requireValid(certificate, certFile, nowMs);
  let key: ReturnType<typeof createPrivateKey>;
  try {
    key = createPrivateKey(pem.key);
  } catch (error) {
    throw new TlsFileError(`${keyFile} holds no private key in PEM without a passphrase: give the one of ${certFile}`, {
      cause: error,
    });
  }
  if (!chain[0]!.checkPrivateKey(key)) {
    throw new TlsFileError(
      `the key in ${keyFile} is not that of the first certificate in ${certFile} (${nameOf(chain[0]!)}): give files that ` +
        "belong together, the server's or client's own certificate first",
    );
  }
  return chain.map(validityOf).reduce((first, next) => (next.expiresMs < first.expiresMs ? next : first));
}

/**
 * Certificate authorities, of which at least one must be valid now. They expire when the last of them does: while a new
 * authority takes over, both are in the file.
 */
export function checkAuthorities(pem: string, file: string, nowMs: number): Validity {
  const last = certificatesOf(pem, file)
    .map(validityOf)
    .reduce((last, next) => (next.expiresMs > last.expiresMs ? next : last));
  if (last.expiresMs <= nowMs) {
    throw new TlsFileError(
      `every certificate in ${file} has expired, the last one at ${instant(last.expiresMs)}: give the certificate of the ` +
        'authority that signs now',
    );
  }
  return last;
}

function validityOf({ validFromDate, validToDate }: X509Certificate): Validity {
  return { fromMs: validFromDate.getTime(), expiresMs: validToDate.getTime() };
}

function certificatesOf(pem: string, file: string): X509Certificate[] {
  const blocks = pem.match(CERTIFICATE) ?? [];
  if (blocks.length === 0) {
    throw new TlsFileError(`${file} holds no certificate: give a PEM file with -----BEGIN CERTIFICATE-----`);
  }
  return blocks.map((block, index) => {
    try {
      return new X509Certificate(block);
    } catch (error) {
      throw new TlsFileError(`certificate ${index + 1} of ${blocks.length} in ${file} cannot be read: make it anew`, {
        cause: error,
      });
    }
  });
}

function requireValid(certificate: X509Certificate, file: string, nowMs: number): void {
  const { fromMs, expiresMs } = validityOf(certificate);
  const what = `the certificate in ${file} (${nameOf(certificate)})`;
  if (expiresMs <= nowMs) throw new TlsFileError(`${what} expired at ${instant(expiresMs)}: renew it`);
  if (fromMs > nowMs) {
    throw new TlsFileError(`${what} is valid from ${instant(fromMs)} on: check the clock of this machine`);
  }
}

function nameOf({ subject, subjectAltName, serialNumber }: X509Certificate): string {
  return (subject || subjectAltName || `serial number ${serialNumber}`).replaceAll('\n', ', ');
}

function instant(ms: number): string {
  return new Date(ms).toISOString();
}
