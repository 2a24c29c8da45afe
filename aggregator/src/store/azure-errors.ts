// What the errors of Azure Blob Storage mean: which of them tell that something is so, and for all others what an operator has
// to do. Knows codes and names; sends nothing.
import { RestError } from '@azure/storage-blob';
import { FlowtollError } from '../model/errors.ts';
import { isNotReached } from './create-once.ts';
import { unavailable } from './unavailable.ts';

/** Where a store is. */
export interface AzurePlace {
  /** URL of the container, without a signature. */
  readonly container: string;
  /** Empty, or with "/" at the end. */
  readonly prefix: string;
}

/** What was tried. */
export type AzureAction = 'read' | 'list' | 'write' | 'delete';

/** The blob is not there. A container that is not there is another matter. */
export function isMissingBlob(error: unknown): boolean {
  return error instanceof RestError && error.code === 'BlobNotFound';
}

/** The condition of a conditional write did not hold: 409 or 412, as the server likes. */
export function isAlreadyThere(error: unknown): boolean {
  return error instanceof RestError && (error.code === 'BlobAlreadyExists' || error.statusCode === 412);
}

/** The request has certainly not been carried out, and may be later. */
export function isNotWritten(error: unknown): boolean {
  if (error instanceof RestError && error.statusCode !== undefined) {
    return error.statusCode === 429 || error.code === 'ServerBusy';
  }
  return isNotReached(error);
}

const CREDENTIALS =
  'AZURE_STORAGE_CONNECTION_STRING, or AZURE_STORAGE_ACCOUNT with AZURE_STORAGE_KEY, AZURE_STORAGE_SAS_TOKEN or an identity ' +
  '(docs/stores.md)';

/** STORE_UNAVAILABLE for an error of the SDK. `key` is the store's, or the prefix of a listing. */
export function azureUnavailable(action: AzureAction, place: AzurePlace, key: string, error: unknown): FlowtollError {
  if (error instanceof FlowtollError) {
    return error;
  }
  return unavailable(
    `cannot ${action} ${place.container}/${place.prefix}${key}`,
    hintFor(error),
    error,
    reasonOf(error),
  );
}

/** The first line: the SDK appends request and time. */
function reasonOf(error: unknown): string {
  const code = error instanceof RestError && error.code !== undefined ? `${error.code}: ` : '';
  const [message = ''] = (error instanceof Error ? error.message : String(error)).split('\n');
  return code + message;
}

function hintFor(error: unknown): string {
  const code = error instanceof RestError ? error.code : undefined;
  const status = error instanceof RestError ? error.statusCode : undefined;
  if (error instanceof Error && /Credential|Authentication/.test(error.name)) {
    return `there are no credentials that work: give ${CREDENTIALS}`;
  }
  switch (code) {
    case 'ContainerNotFound':
    case 'InvalidResourceName':
    case 'ResourceNotFound':
      return 'the account has no container of this name: create it, or correct --store';
    case 'AuthenticationFailed':
    case 'InvalidAuthenticationInfo':
    case 'NoAuthenticationInformation':
      return `the account does not accept the credentials: check ${CREDENTIALS}`;
    case 'AuthorizationPermissionMismatch':
    case 'AuthorizationFailure':
    case 'UnauthorizedBlobOverwrite':
      return 'this identity may not: give it the role "Storage Blob Data Contributor" on the container (docs/stores.md)';
    case 'ServerBusy':
      return 'the store is busy; it is tried again';
  }
  if (status === 403 || status === 401) {
    return `not allowed: check the role, the network rules of the account, and ${CREDENTIALS}`;
  }
  if (status !== undefined && status >= 500) {
    return 'the store failed; it is tried again';
  }
  if (status !== undefined) {
    return 'check --store and the settings of Azure (docs/stores.md)';
  }
  return 'the account cannot be reached: check its name (AZURE_STORAGE_ACCOUNT) and the network';
}
