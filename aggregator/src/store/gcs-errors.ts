// What the errors of Google Cloud Storage mean: which of them tell that something is so, and for all others what an operator
// has to do. Knows codes; sends nothing.
import { FlowtollError } from '../model/errors.ts';
import { isNotReached } from './create-once.ts';
import { unavailable } from './unavailable.ts';

/** Where a store is. */
export interface GcsPlace {
  readonly bucket: string;
  /** Empty, or with "/" at the end. */
  readonly prefix: string;
}

/** What was tried. */
export type GcsAction = 'read' | 'list' | 'write' | 'delete';

/** HTTP status of the answer; undefined if there was none. The client says it as a number or as text. */
function statusOf(error: unknown): number | undefined {
  const code = error instanceof Error && 'code' in error ? Number(error.code) : Number.NaN;
  return Number.isInteger(code) ? code : undefined;
}

/** The object is not there. A bucket that is not there is another matter, with the same code. */
export function isMissingObject(error: unknown): boolean {
  return statusOf(error) === 404 && !isMissingBucket(error);
}

function isMissingBucket(error: unknown): boolean {
  return statusOf(error) === 404 && /bucket (does not exist|not found)/i.test((error as Error).message);
}

/** The condition of a conditional write did not hold. */
export function isAlreadyThere(error: unknown): boolean {
  return statusOf(error) === 412;
}

/** The request has certainly not been carried out, and may be later: too many a second, or the server was not reached. */
export function isNotWritten(error: unknown): boolean {
  return statusOf(error) === 429 || isNotReached(error);
}

/** There was a connection, and it ended before the answer did. */
export function isBrokenOff(error: unknown): boolean {
  return (
    error instanceof Error &&
    'code' in error &&
    (error.code === 'ECONNRESET' || error.code === 'ERR_STREAM_PREMATURE_CLOSE')
  );
}

const CREDENTIALS =
  'GOOGLE_APPLICATION_CREDENTIALS, `gcloud auth application-default login`, or the service account of the pod or machine ' +
  '(docs/stores.md)';

const PERMISSION: Readonly<Record<GcsAction, string>> = {
  read: 'storage.objects.get',
  list: 'storage.objects.list',
  write: 'storage.objects.create',
  delete: 'storage.objects.delete',
};

/** STORE_UNAVAILABLE for an error of the client. `key` is the store's, or the prefix of a listing. */
export function gcsUnavailable(action: GcsAction, place: GcsPlace, key: string, error: unknown): FlowtollError {
  if (error instanceof FlowtollError) {
    return error;
  }
  const what = `cannot ${action} gs://${place.bucket}/${place.prefix}${key}`;
  return unavailable(what, hintFor(action, place, error), error, reasonOf(error));
}

function reasonOf(error: unknown): string {
  const [message = ''] = (error instanceof Error ? error.message : String(error)).split('\n');
  const status = statusOf(error);
  return status === undefined ? message : `${status}: ${message}`;
}

function hintFor(action: GcsAction, { bucket }: GcsPlace, error: unknown): string {
  const status = statusOf(error);
  const message = error instanceof Error ? error.message : '';
  if (status === 404) {
    return 'there is no bucket of this name: create it, or correct --store';
  }
  if (status === 401 || /credential|invalid_grant|access token/i.test(message)) {
    return `there are no credentials that work: give ${CREDENTIALS}`;
  }
  if (status === 403) {
    return (
      `these credentials may not: allow ${PERMISSION[action]}, best with the role roles/storage.objectUser on the bucket ` +
      `${bucket} (docs/stores.md)`
    );
  }
  if (status === 429) {
    return 'the store is busy; it is tried again';
  }
  if (status !== undefined && status >= 500) {
    return 'the store failed; it is tried again';
  }
  if (status !== undefined) {
    return 'check --store and the settings of Google Cloud (docs/stores.md)';
  }
  return 'Google Cloud Storage cannot be reached: check the network, and STORAGE_EMULATOR_HOST if it is set';
}
