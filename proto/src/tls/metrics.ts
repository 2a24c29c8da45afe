// What monitoring sees of TLS files, the same for both programs.
import type { Metric } from '../telemetry/metric.ts';
import type { CertificateStatus } from './certificate-files.ts';

/** What the metrics are read from. */
export interface TlsMetricsSource {
  /** Undefined where no files are used. */
  readonly tls: CertificateStatus | undefined;
}

/** In the order of the page. */
export const TLS_METRICS: readonly Metric<TlsMetricsSource>[] = [
  {
    name: 'flowtoll_tls_certificate_expires_timestamp_seconds',
    type: 'gauge',
    unit: 'seconds since the Unix epoch',
    help: 'When the certificates that are used expire: our own chain, and the last of the authorities that we trust. Absent where none is used.',
    label: 'certificate',
    read: ({ tls }) => {
      if (tls === undefined) return undefined;
      const known = Object.entries(tls.expiresMs).flatMap(([name, ms]) =>
        ms === undefined ? [] : [[name, ms / 1000]],
      );
      return Object.fromEntries(known) as Record<string, number>;
    },
  },
  {
    name: 'flowtoll_tls_reloads_total',
    type: 'counter',
    unit: 'reloads',
    help: 'Changed certificate files: taken for connections from then on, or refused (unreadable, expired, key of another certificate; see the log).',
    label: 'result',
    read: ({ tls }) => tls && { ...tls.reloads },
  },
  {
    name: 'flowtoll_tls_files_stale',
    type: 'gauge',
    unit: '1',
    help: '1 while what is in the certificate files cannot be used and what was there before goes on, else 0. See the log.',
    read: ({ tls }) => tls && (tls.isStale ? 1 : 0),
  },
];
