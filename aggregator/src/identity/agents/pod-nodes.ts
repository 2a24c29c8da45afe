// On which node a pod runs, asked of the API server: for servers before 1.30, whose tokens and reviews do not say it. A pod stays on its
// node, so the answer holds for as long as the pod does. Needs what the caches need, to list pods, and nothing more.
import type { ApiClient } from '../../kubernetes/api-client.ts';
import type { Timing } from '../../kubernetes/timing.ts';
import { FlowtollError } from '../../model/errors.ts';
import { createReviewCache, REVIEW_CACHE_DEFAULTS } from '../review-cache.ts';

export interface PodRef {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

export interface PodNodes {
  /** Undefined where there is no such pod, or it is on no node. Rejects with IDENTITY_UNAVAILABLE. */
  nodeOf(pod: PodRef): Promise<string | undefined>;
}

interface RawPods {
  readonly items?: readonly {
    readonly metadata?: { readonly uid?: string };
    readonly spec?: { readonly nodeName?: string };
  }[];
}

const KNOWN_MS = 3_600_000;
const UNKNOWN_MS = 5000;
const SILENCE_MS = 5000;
const ANSWER_MS = 12_000;
/** A pod is 1.5 MB at most, as etcd has it. */
const ANSWER_BYTES_MAX = 4 * 1024 ** 2;

export function createPodNodes({
  client,
  timing,
}: {
  readonly client: Pick<ApiClient, 'getJson' | 'server'>;
  readonly timing: Timing;
}): PodNodes {
  const cache = createReviewCache<string | undefined>(REVIEW_CACHE_DEFAULTS, timing.now);

  const ask = async ({ namespace, name, uid }: PodRef): Promise<string | undefined> => {
    const late = new AbortController();
    const cancel = timing.schedule(() => late.abort(), ANSWER_MS);
    const selector = encodeURIComponent(`metadata.name=${name}`);
    const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods?fieldSelector=${selector}`;
    try {
      const answer = (await client.getJson(
        { path, accept: 'application/json', signal: late.signal, silenceMs: SILENCE_MS },
        ANSWER_BYTES_MAX,
      )) as RawPods | null;
      return answer?.items?.find(({ metadata }) => metadata?.uid === uid)?.spec?.nodeName;
    } catch (error) {
      const said = error instanceof Error ? error.message : String(error);
      throw new FlowtollError(
        'IDENTITY_UNAVAILABLE',
        `${client.server} does not say on which node pod ${namespace}/${name} is (${said}): check the API server; nobody was refused`,
      );
    } finally {
      cancel();
    }
  };

  return {
    nodeOf: (pod) =>
      cache.get(`${pod.namespace}/${pod.name}/${pod.uid}`, async () => {
        const value = await ask(pod);
        const isGood = value !== undefined;
        return { value, isGood, untilMs: timing.now() + (isGood ? KNOWN_MS : UNKNOWN_MS) };
      }),
  };
}
