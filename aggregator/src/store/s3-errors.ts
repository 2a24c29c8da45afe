// What the errors of S3 mean: which of them tell that something is so, and for all others what an operator has to do. Knows
// codes and names; sends nothing.
import { S3ServiceException } from '@aws-sdk/client-s3';
import { FlowtollError } from '../model/errors.ts';
import { isNotReached } from './create-once.ts';
import { STORES_WITH_CREATION } from './probe.ts';
import { unavailable } from './unavailable.ts';

/** Where a store is. */
export interface S3Place {
  readonly bucket: string;
  /** Empty, or with "/" at the end. */
  readonly prefix: string;
  /** Server that is not AWS's; undefined where the SDK finds it by itself. */
  readonly endpoint: string | undefined;
}

/** What was tried. */
export type S3Action = 'read' | 'list' | 'write' | 'delete';

/** The object is not there. A bucket that is not there is another matter. */
export function isMissingObject(error: unknown): boolean {
  return error instanceof S3ServiceException && error.name === 'NoSuchKey';
}

/** The condition of a conditional write did not hold. */
export function isAlreadyThere(error: unknown): boolean {
  return error instanceof S3ServiceException && error.$metadata.httpStatusCode === 412;
}

/**
 * The request has certainly not been carried out, and may be later: another conditional write of the same key was under way
 * (409), the server asked for less, or it could not be reached.
 */
export function isNotWritten(error: unknown): boolean {
  if (error instanceof S3ServiceException) {
    return BUSY.has(error.name) || error.$metadata.httpStatusCode === 429;
  }
  return isNotReached(error);
}

const BUSY = new Set(['ConditionalRequestConflict', 'OperationAborted', 'SlowDown', 'ThrottlingException']);

const CREDENTIALS_OF =
  'AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or the role of the pod or machine (docs/stores.md)';

const PERMISSION: Readonly<Record<S3Action, string>> = {
  read: 's3:GetObject',
  list: 's3:ListBucket',
  write: 's3:PutObject',
  delete: 's3:DeleteObject',
};

/** STORE_UNAVAILABLE for an error of the SDK. `key` is the store's, or the prefix of a listing. */
export function s3Unavailable(action: S3Action, place: S3Place, key: string, error: unknown): FlowtollError {
  if (error instanceof FlowtollError) {
    return error;
  }
  const what = `cannot ${action} s3://${place.bucket}/${place.prefix}${key}`;
  return unavailable(what, hintFor(action, place, error), error, reasonOf(error));
}

function reasonOf(error: unknown): string {
  if (error instanceof S3ServiceException) {
    return error.message === '' ? error.name : `${error.name}: ${error.message}`;
  }
  if (error instanceof AggregateError) {
    return error.errors.map(reasonOf).join('; ');
  }
  // Below the first line the SDK advises programmers.
  return (error instanceof Error ? error.message : String(error)).split('\n')[0]!.trim();
}

function hintFor(action: S3Action, place: S3Place, error: unknown): string {
  const name = error instanceof Error ? error.name : '';
  const status = error instanceof S3ServiceException ? error.$metadata.httpStatusCode : undefined;
  const server = place.endpoint ?? 'AWS';
  if (name.startsWith('KMS.')) {
    return 'check the key of the key management service, and that these credentials may use it';
  }
  switch (name) {
    case 'NoSuchBucket':
    case 'InvalidBucketName':
      return `${server} has no bucket of this name: create it, or correct --store`;
    case 'CredentialsProviderError':
    case 'TokenProviderError':
      return `there are no credentials: give ${CREDENTIALS_OF}`;
    case 'InvalidAccessKeyId':
    case 'SignatureDoesNotMatch':
    case 'InvalidToken':
    case 'ExpiredToken':
    case 'TokenRefreshRequired':
      return `${server} does not accept the credentials: check ${CREDENTIALS_OF}`;
    case 'RequestTimeTooSkewed':
      return 'the clock of this machine is wrong: set it';
    case 'PermanentRedirect':
    case 'TemporaryRedirect':
    case 'AuthorizationHeaderMalformed':
    case 'IllegalLocationConstraintException':
      return 'the bucket is in another region: set AWS_REGION to the region of the bucket';
    case 'NotImplemented':
      return `the server does not know this request; use ${STORES_WITH_CREATION} (docs/stores.md)`;
    case 'SlowDown':
    case 'ThrottlingException':
      return 'the store is busy; it is tried again';
  }
  if (name === 'AccessDenied' || status === 403) {
    const resource = action === 'list' ? place.bucket : `${place.bucket}/${place.prefix}*`;
    return `these credentials may not: allow ${PERMISSION[action]} on arn:aws:s3:::${resource} (docs/stores.md)`;
  }
  if (error instanceof Error && error.message.includes('Region is missing')) {
    return 'set AWS_REGION to the region of the bucket (for servers that have none, to us-east-1)';
  }
  if (status !== undefined && status >= 500) {
    return `${server} failed; it is tried again`;
  }
  if (status !== undefined) {
    return 'check --store and the settings of S3 (docs/stores.md)';
  }
  return `${server} cannot be reached: check the network, and AWS_ENDPOINT_URL if the store is not AWS's`;
}
