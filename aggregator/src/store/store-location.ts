// The text of --store ⇄ where a store is: a directory, or a URL of a bucket. Pure text; opens nothing.
import { FlowtollError } from '../model/errors.ts';
import { checkKey } from './keys.ts';

/** Where a store is. Azure calls a bucket a container. `prefix` is empty or ends with "/". */
export type StoreLocation =
  | { readonly kind: 'directory'; readonly path: string }
  | {
      readonly kind: 's3';
      readonly bucket: string;
      readonly prefix: string;
      /** Whether the bucket stands in the path; undefined: as the endpoint suggests. */
      readonly pathStyle: boolean | undefined;
      /** Key of the key management service, "default" for the account's own; undefined: as the bucket is set up. */
      readonly kmsKey: string | undefined;
    }
  | { readonly kind: 'gs'; readonly bucket: string; readonly prefix: string }
  | { readonly kind: 'az'; readonly bucket: string; readonly prefix: string };

type BucketKind = Exclude<StoreLocation['kind'], 'directory'>;

/** What each kind of URL looks like, and the parameters that it takes after "?". */
const KINDS: Readonly<Record<BucketKind, { readonly form: string; readonly parameters: readonly string[] }>> = {
  s3: { form: 's3://bucket/prefix', parameters: ['path-style', 'kms-key'] },
  gs: { form: 'gs://bucket/prefix', parameters: [] },
  az: { form: 'az://container/prefix', parameters: [] },
};

const FORMS = `${Object.values(KINDS)
  .map(({ form }) => form)
  .join(', ')}, or a directory`;

/** Buckets of S3 Express One Zone: listings have no order there, and the log of a table needs one. */
const DIRECTORY_BUCKET = /--x-s3$/;

/** Throws CONFIG_INVALID, saying what is accepted. */
export function parseStoreLocation(text: string): StoreLocation {
  const url = /^([A-Za-z][A-Za-z0-9+.-]*):\/\/(.*)$/s.exec(text);
  if (url === null) {
    const kind = /^([a-z0-9]+):/.exec(text)?.[1];
    if (kind !== undefined && isBucketKind(kind)) {
      throw invalid(text, `write ${KINDS[kind].form}`);
    }
    return { kind: 'directory', path: text };
  }
  const kind = url[1]!;
  if (!isBucketKind(kind)) {
    throw invalid(text, `${kind}:// is not a kind of store; use ${FORMS}`);
  }
  const [path, query] = splitOnce(url[2]!, '?');
  const [bucket, prefixText] = splitOnce(path, '/');
  if (!/^[A-Za-z0-9._$-]+$/.test(bucket)) {
    throw invalid(text, `${JSON.stringify(bucket)} cannot be the name of a bucket; write ${KINDS[kind].form}`);
  }
  const prefix = parsePrefix(text, prefixText);
  const parameters = parseParameters(text, kind, query);
  if (kind !== 's3') {
    return { kind, bucket, prefix };
  }
  if (DIRECTORY_BUCKET.test(bucket)) {
    throw invalid(
      text,
      'directory buckets (S3 Express One Zone) list objects in no order; use a general purpose bucket',
    );
  }
  const pathStyle = parameters.get('path-style');
  if (pathStyle !== undefined && pathStyle !== 'true' && pathStyle !== 'false') {
    throw invalid(text, 'path-style takes true or false');
  }
  return {
    kind,
    bucket,
    prefix,
    pathStyle: pathStyle === undefined ? undefined : pathStyle === 'true',
    kmsKey: parameters.get('kms-key'),
  };
}

function isBucketKind(text: string): text is BucketKind {
  return Object.hasOwn(KINDS, text);
}

function splitOnce(text: string, separator: string): [before: string, after: string] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
}

/** "a/b" and "a/b/" → "a/b/". */
function parsePrefix(text: string, prefix: string): string {
  const plain = prefix.replace(/\/$/, '');
  if (plain === '') {
    return '';
  }
  try {
    checkKey(plain);
  } catch {
    throw invalid(text, 'the prefix must be plain names joined by one "/" each, without "." or ".."');
  }
  return `${plain}/`;
}

function parseParameters(text: string, kind: BucketKind, query: string): Map<string, string> {
  const known = KINDS[kind].parameters;
  const parameters = new Map<string, string>();
  for (const [name, value] of new URLSearchParams(query)) {
    if (!known.includes(name) || value === '' || parameters.has(name)) {
      const accepted = known.length === 0 ? 'none' : known.map((each) => `${each}=…`).join(' and ');
      throw invalid(text, `after "?" it takes ${accepted}, each once, not ${JSON.stringify(`${name}=${value}`)}`);
    }
    parameters.set(name, value);
  }
  return parameters;
}

function invalid(text: string, why: string): FlowtollError {
  return new FlowtollError('CONFIG_INVALID', `${JSON.stringify(text)} names no store: ${why}`);
}
