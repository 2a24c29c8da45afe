// TLS of both programs: certificates in files that change, and credentials made of them.
export {
  CertificateFiles,
  type CertificatePaths,
  type CertificateStatus,
  type CertificateSurroundings,
  LOOK_EVERY_MS,
} from './certificate-files.ts';
export { type ClientTls, type ClientTlsConfig, clientTls, plainText, serverCredentials } from './credentials.ts';
export { hostOf, isLoopback } from './loopback.ts';
export { TLS_METRICS, type TlsMetricsSource } from './metrics.ts';
export { TlsFileError } from './tls-file-error.ts';
