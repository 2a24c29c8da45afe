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

/** The failure as an operator should read it. `server` and `identity` in words, such as "https://10.0.0.1:443". */
export function explainFailure(
  failure: ApiFailure,
  verb: ApiVerb,
  resource: ApiResource,
  { server, credentials }: { readonly server: string; readonly credentials: string },
): FlowtollError {
  const what = `cannot ${verb} ${resourceName(resource)} at ${server} (${failure.message})`;
  const [code, advice] = adviceFor(failure.reason, verb, resource, credentials);
  return new FlowtollError(code, `${what}: ${advice}`, { cause: failure });
}

function adviceFor(
  reason: FailureReason,
  verb: ApiVerb,
  resource: ApiResource,
  credentials: string,
): [FlowtollError['code'], string] {
  switch (reason) {
    case 'forbidden':
      return verb === 'discover'
        ? [
            'KUBERNETES_FORBIDDEN',
            `allow it by binding the ClusterRole system:discovery to the account of ${credentials} (docs/kubernetes.md)`,
          ]
        : [
            'KUBERNETES_FORBIDDEN',
            `the account of ${credentials} may not ${verb} resource "${resource.plural ?? resource.kind}" in API group "${resource.group}"; ` +
              `add this rule to its ClusterRole: ${ruleLine(resource)} (docs/kubernetes.md)`,
          ];
    case 'not-found':
      return [
        'KUBERNETES_FORBIDDEN',
        resource.plural === undefined
          ? `the server has no kind ${resource.kind} in ${apiVersionOf(resource)}: install it, or correct --owner-kinds`
          : `the server does not serve ${apiVersionOf(resource)}: check --kubernetes, and that its version is 1.21 or later`,
      ];
    case 'refused':
      return ['KUBERNETES_UNAVAILABLE', 'check --kubernetes, and what stands between here and the API server'];
    case 'unauthorized':
      return [
        'KUBERNETES_UNAVAILABLE',
        `the server does not accept ${credentials}; they are read again before each try`,
      ];
    case 'credentials':
      return ['KUBERNETES_CONFIG_INVALID', `check ${credentials}; they are read again before each try`];
    case 'tls':
      return [
        'KUBERNETES_CONFIG_INVALID',
        `the connection is not secure: check server and certificate authority of ${credentials}`,
      ];
    case 'throttled':
      return ['KUBERNETES_UNAVAILABLE', 'the server is busy; it is tried again when it says'];
    case 'unreachable':
      return ['KUBERNETES_UNAVAILABLE', 'check the network and the address of the server; it is tried again'];
    case 'gone':
      return ['KUBERNETES_UNAVAILABLE', 'the server does not remember so far back; everything is listed anew'];
    case 'server-error':
    case 'cut':
    case 'silent':
    case 'malformed':
    case 'too-large':
      return ['KUBERNETES_UNAVAILABLE', 'it is tried again'];
  }
}
