// Who readers are, put together: nobody is asked, a file of tokens says it, or a Kubernetes API. Joins identity and kubernetes for
// flowtoll serve. Decides nothing about calls.
import type { ReaderAuthority } from './identity/readers/reader-authority.ts';
import { openTokenFile } from './identity/readers/token-file.ts';
import { createTokenReaders } from './identity/readers/token-readers.ts';
import type { Schedule } from './model/schedule.ts';

/** What says who readers are. */
export type ReaderSource =
  | { readonly kind: 'none' }
  | { readonly kind: 'tokens'; readonly file: string }
  | {
      readonly kind: 'kubernetes';
      /** "in-cluster", "kubeconfig", or the path of a kubeconfig. */
      readonly source: string;
      readonly context?: string | undefined;
      /** That tokens have to be for. */
      readonly audience: string;
    };

export interface ReaderSourceParts {
  readonly log: { info(fields: object, message: string): void; warn(fields: object, message: string): void };
  /** Milliseconds since the Unix epoch. */
  readonly now: () => number;
  readonly schedule: Schedule;
}

/** Undefined where nobody is asked. Throws what is wrong with the file or the configuration; nothing is asked of the API yet. */
export async function openReaderAuthority(
  source: ReaderSource,
  { log, now, schedule }: ReaderSourceParts,
): Promise<ReaderAuthority | undefined> {
  switch (source.kind) {
    case 'none':
      return undefined;
    case 'tokens':
      return createTokenReaders(openTokenFile(source.file, { log, schedule }), now);
    case 'kubernetes':
      return kubernetesReaders(source, now, schedule);
  }
}

async function kubernetesReaders(
  { source, context, audience }: ReaderSource & { readonly kind: 'kubernetes' },
  now: () => number,
  schedule: Schedule,
): Promise<ReaderAuthority> {
  // The client costs memory and time that others need not pay.
  const [{ loadApiConfig }, { createApiClient }, { createTokenReviewer }, access, { createKubernetesReaders }] =
    await Promise.all([
      import('./kubernetes/api-config.ts'),
      import('./kubernetes/api-client.ts'),
      import('./identity/token-review.ts'),
      import('./identity/subject-access-review.ts'),
      import('./identity/readers/kubernetes-readers.ts'),
    ]);
  const timing = { now, schedule, random: Math.random };
  const client = createApiClient(() => loadApiConfig({ source, context }), timing);
  const readers = createKubernetesReaders(audience, {
    tokens: createTokenReviewer({ audience }, { client, timing }),
    access: access.createSubjectAccessReviewer({}, { client, timing }),
  });
  return { identify: readers.identify, stop: () => client.close() };
}
