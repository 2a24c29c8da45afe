// What can go wrong between us and an API server, by reason: what the watcher does next, what metrics count, and what an operator
// reads follow from it. Knows no connection.
import { FlowtollError } from '../model/errors.ts';
import type { RawStatus } from './raw-objects.ts';
import { ruleLine } from './rbac.ts';
import { type ApiResource, apiVersionOf, resourceName } from './resources.ts';

export type FailureReason =
  | 'gone' // the resource version or the continuation is too old (410)
  | 'unauthorized' // the credentials are not accepted (401)
  | 'credentials' // there are no credentials: a file cannot be read, a plugin failed
  | 'forbidden' // the credentials do not allow it (403)
  | 'not-found' // the server does not know the resource (404)
  | 'refused' // the server does not take the request (other 4xx)
  | 'throttled' // too many requests (429)
  | 'server-error' // the server failed (5xx)
  | 'unreachable' // no connection
  | 'tls' // the server's certificate is not trusted, or its protocol is another
  | 'cut' // the connection ended in the middle of an answer
  | 'silent' // nothing came for too long
  | 'malformed' // what came is not what the API speaks
  | 'too-large'; // an event or page is larger than is taken

export interface FailureDetails {
  /** Milliseconds that the server asks to wait. */
  readonly retryAfterMs?: number | undefined;
  readonly cause?: unknown;
}

/** A request or a watch that failed. */
export class ApiFailure extends Error {
  readonly reason: FailureReason;
  readonly retryAfterMs: number | undefined;

  /** @param message what was seen, in words; no advice */
  constructor(reason: FailureReason, message: string, { retryAfterMs, cause }: FailureDetails = {}) {
    super(message, { cause });
    this.name = 'ApiFailure';
    this.reason = reason;
    this.retryAfterMs = retryAfterMs;
  }
}

const SERVER_ERROR = 500;

/** An answer that is not 200, or the Status in an ERROR event of a watch. */
export function failureOfStatus(status: number, body: RawStatus | undefined, retryAfterMs?: number): ApiFailure {
  const said = body?.message ?? body?.reason;
  const message = said === undefined ? `HTTP ${status}` : `HTTP ${status}: ${said}`;
  const seconds = body?.details?.retryAfterSeconds;
  return new ApiFailure(reasonOfStatus(status, body), message, {
    retryAfterMs: retryAfterMs ?? (seconds === undefined ? undefined : seconds * 1000),
  });
}

function reasonOfStatus(status: number, body: RawStatus | undefined): FailureReason {
  switch (status) {
    case 401:
      return 'unauthorized';
    case 403:
      return 'forbidden';
    case 404:
      return 'not-found';
    case 410:
      return 'gone';
    case 429:
      return 'throttled';
  }
  if (body?.reason === 'Expired') return 'gone';
  return status >= SERVER_ERROR ? 'server-error' : 'refused';
}

const TLS_CODES = /^(ERR_TLS_|ERR_SSL_|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_(GET|VERIFY)|EPROTO|HOSTNAME_MISMATCH)/;

/** An error of the connection. `answering`: the answer had begun. */
export function failureOfConnection(error: unknown, answering: boolean): ApiFailure {
  if (error instanceof ApiFailure) return error;
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const message = error instanceof Error && error.message !== '' ? error.message : code || String(error);
  const reason = TLS_CODES.test(code) ? 'tls' : answering ? 'cut' : 'unreachable';
  return new ApiFailure(reason, message, { cause: error });
}

/** What was being done: the verb of RBAC. */
export type ApiVerb = 'list' | 'watch' | 'discover';

/** Who asks: somebody who goes on until it works, and says what comes next; or somebody who asks once. */
export type Persistence = 'goes-on' | 'once';

/** The failure as an operator should read it. `server` and `identity` in words, such as "https://10.0.0.1:443". */
export function explainFailure(
  failure: ApiFailure,
  verb: ApiVerb,
  resource: ApiResource,
  { server, credentials }: { readonly server: string; readonly credentials: string },
  persistence: Persistence = 'goes-on',
): FlowtollError {
  const what = `cannot ${verb} ${resourceName(resource)} at ${server} (${failure.message})`;
  const { code, advice, next } = adviceFor(failure.reason, verb, resource, credentials);
  const toDo = persistence === 'once' ? [advice ?? 'try again'] : [advice, next];
  return new FlowtollError(code, `${what}: ${toDo.filter((text) => text !== undefined).join('; ')}`, {
    cause: failure,
  });
}

interface Advice {
  readonly code: FlowtollError['code'];
  /** What to do. */
  readonly advice?: string;
  /** What whoever goes on does by itself. */
  readonly next?: string;
}

const READ_AGAIN = 'they are read again before each try';
const TRIED_AGAIN = 'it is tried again';

function adviceFor(reason: FailureReason, verb: ApiVerb, resource: ApiResource, credentials: string): Advice {
  switch (reason) {
    case 'forbidden':
      return {
        code: 'KUBERNETES_FORBIDDEN',
        advice:
          verb === 'discover'
            ? `allow it by binding the ClusterRole system:discovery to the account of ${credentials} (docs/kubernetes.md)`
            : `the account of ${credentials} may not ${verb} resource "${resource.plural ?? resource.kind}" in API group "${resource.group}"; ` +
              `add this rule to its ClusterRole: ${ruleLine(resource)} (docs/kubernetes.md)`,
      };
    case 'not-found':
      return {
        code: 'KUBERNETES_FORBIDDEN',
        advice:
          resource.plural === undefined
            ? `the server has no kind ${resource.kind} in ${apiVersionOf(resource)}: install it, or correct --owner-kinds`
            : `the server does not serve ${apiVersionOf(resource)}: check --kubernetes, and that its version is 1.21 or later`,
      };
    case 'refused':
      return {
        code: 'KUBERNETES_UNAVAILABLE',
        advice: 'check --kubernetes, and what stands between here and the API server',
      };
    case 'unauthorized':
      return {
        code: 'KUBERNETES_UNAVAILABLE',
        advice: `the server does not accept ${credentials}`,
        next: READ_AGAIN,
      };
    case 'credentials':
      return { code: 'KUBERNETES_CONFIG_INVALID', advice: `check ${credentials}`, next: READ_AGAIN };
    case 'tls':
      return {
        code: 'KUBERNETES_CONFIG_INVALID',
        advice: `the connection is not secure: check server and certificate authority of ${credentials}`,
      };
    case 'throttled':
      return { code: 'KUBERNETES_UNAVAILABLE', next: 'the server is busy; it is tried again when it says' };
    case 'unreachable':
      return {
        code: 'KUBERNETES_UNAVAILABLE',
        advice: 'check the network and the address of the server',
        next: TRIED_AGAIN,
      };
    case 'gone':
      return {
        code: 'KUBERNETES_UNAVAILABLE',
        next: 'the server does not remember so far back; everything is listed anew',
      };
    case 'server-error':
    case 'cut':
    case 'silent':
    case 'malformed':
    case 'too-large':
      return { code: 'KUBERNETES_UNAVAILABLE', next: TRIED_AGAIN };
  }
}
