// What the log says of trouble with the API server: one line when it begins, one when it is over, however many resources have it and
// however often they try. Trouble of the server as a whole (nobody answers, credentials) is one for all resources; what concerns a
// resource alone (permissions, kinds) is its own. Knows no requests.
import type { FlowtollError } from '../model/errors.ts';
import type { FailureReason } from './api-failure.ts';
import type { ObjectHead } from './object-head.ts';

/** The part of pino that is used here. */
export interface Logger {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

/** A try that failed. */
export interface FailedTry {
  readonly reason: FailureReason;
  /** As an operator should read it. */
  readonly error: FlowtollError;
  /** Since when all tries of this resource have failed, ms since the Unix epoch. */
  readonly sinceMs: number;
  /** A whole list of the resource has been taken once. */
  readonly synced: boolean;
}

export interface TroubleLog {
  failed(resource: string, attempt: FailedTry): void;
  /** The server has agreed to tell of it. */
  works(resource: string): void;
  /** An object is skipped, because it is larger than so many bytes. Said once of each object. */
  large(resource: string, object: ObjectHead, bytesMax: number): void;
}

interface Trouble {
  sinceMs: number;
  readonly resources: Set<string>;
  /** What has been said of it. */
  readonly said: Set<FailureReason>;
}

/** Reasons that are not of one resource: what one meets, all meet. */
const OF_SERVER: ReadonlySet<FailureReason> = new Set([
  ...(['unreachable', 'tls', 'cut', 'silent', 'server-error', 'throttled', 'unauthorized', 'credentials'] as const),
]);
/** No resource has this name. */
const SERVER = '';
/** Large objects of which something is said. Beyond it the metric tells. */
const LARGE_MAX = 100;

/** @param now milliseconds since the Unix epoch */
export function createTroubleLog(log: Logger, now: () => number): TroubleLog {
  /** By resource, or of the server. */
  const troubles = new Map<string, Trouble>();
  const large = new Set<string>();

  function leave(key: string, resource: string): void {
    const trouble = troubles.get(key);
    if (trouble === undefined || !trouble.resources.delete(resource) || trouble.resources.size > 0) return;
    troubles.delete(key);
    const seconds = Math.round((now() - trouble.sinceMs) / 1000);
    const who = key === SERVER ? 'the API server answers' : `${resource} are heard of`;
    log.info({ ...(key !== SERVER && { resource }), seconds }, `kubernetes: ${who} again, after ${seconds} s`);
  }

  return {
    failed(resource, { reason, error, sinceMs, synced }) {
      const key = OF_SERVER.has(reason) ? SERVER : resource;
      // The server has answered.
      if (key !== SERVER) leave(SERVER, resource);
      const trouble = troubles.get(key) ?? { sinceMs, resources: new Set(), said: new Set() };
      troubles.set(key, trouble);
      trouble.resources.add(resource);
      trouble.sinceMs = Math.min(trouble.sinceMs, sinceMs);
      if (trouble.said.has(reason)) return;
      trouble.said.add(reason);
      const kept = synced ? '; names go on from what is known' : '';
      log.warn({ code: error.code, resource, reason, synced }, `kubernetes: ${error.message}${kept}`);
    },
    works(resource) {
      leave(SERVER, resource);
      leave(resource, resource);
    },
    large(resource, { namespace, name, uid }, bytesMax) {
      const key = `${resource} ${uid}`;
      if (large.has(key) || large.size >= LARGE_MAX) return;
      large.add(key);
      const where = namespace === undefined ? '' : ` -n ${namespace}`;
      const what = name === undefined ? `an object of ${resource}` : `${resource}${where} ${name}`;
      const look = `kubectl get ${resource}${where} ${name ?? ''}`.trimEnd();
      log.warn(
        { resource, namespace, name, uid, bytesMax },
        `kubernetes: ${what} is larger than ${bytesMax} bytes and is skipped: it stays as it was known, or unknown, and its addresses may have ` +
          `no name; see what fills it (${look} -o yaml --show-managed-fields), and make it smaller`,
      );
    },
  };
}
