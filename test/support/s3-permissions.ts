// Which permissions of IAM a request to S3 needs, after "Required permissions for Amazon S3 API operations" (Amazon S3 User Guide) and
// the condition keys of "Actions, resources, and condition keys for Amazon S3" (Service Authorization Reference). And what a policy says
// of many requests. Knows recorded requests; nothing of Flowtoll.
import { allowedActions, decide, type Permission, type Policy } from './iam-policy.ts';
import type { S3Operation, S3Request } from './s3-recorder.ts';

/** The action of each operation. Of a listing it is asked on the bucket, of everything else on the object. */
const ACTIONS: Readonly<Record<S3Operation, string>> = {
  AbortMultipartUpload: 's3:AbortMultipartUpload',
  CompleteMultipartUpload: 's3:PutObject',
  CreateMultipartUpload: 's3:PutObject',
  DeleteObject: 's3:DeleteObject',
  GetBucketLocation: 's3:GetBucketLocation',
  GetObject: 's3:GetObject',
  HeadBucket: 's3:ListBucket',
  HeadObject: 's3:GetObject',
  ListMultipartUploads: 's3:ListBucketMultipartUploads',
  ListObjects: 's3:ListBucket',
  ListObjectsV2: 's3:ListBucket',
  ListParts: 's3:ListMultipartUploadParts',
  PutObject: 's3:PutObject',
  UploadPart: 's3:PutObject',
};

/** Headers of a write that need an action of their own besides. */
const ACTIONS_OF_HEADERS: Readonly<Record<string, string>> = {
  'x-amz-tagging': 's3:PutObjectTagging',
  'x-amz-acl': 's3:PutObjectAcl',
  'x-amz-object-lock-mode': 's3:PutObjectRetention',
  'x-amz-object-lock-legal-hold': 's3:PutObjectLegalHold',
};

/** Of these, the condition key `s3:ObjectCreationOperation` is true: they make the object. */
const CREATING: ReadonlySet<S3Operation> = new Set(['PutObject', 'CompleteMultipartUpload']);
const WRITING: ReadonlySet<S3Operation> = new Set([...CREATING, 'CreateMultipartUpload', 'UploadPart']);

/** What the service asks of the key management when the bucket is encrypted with a key of it. */
const KMS_ACTIONS: Partial<Readonly<Record<S3Operation, readonly string[]>>> = {
  GetObject: ['kms:Decrypt'],
  PutObject: ['kms:GenerateDataKey'],
  CreateMultipartUpload: ['kms:GenerateDataKey'],
  // Parts are joined again, so what was encrypted is decrypted.
  UploadPart: ['kms:GenerateDataKey', 'kms:Decrypt'],
  CompleteMultipartUpload: ['kms:Decrypt'],
};

/** All that a request needs. Throws where it is none of the operations above. */
export function permissionsOf(asked: S3Request): Permission[] {
  const { operation, bucket, key, headers, query, status } = asked;
  if (operation === undefined) {
    throw new Error(
      `${asked.method} /${bucket}/${key ?? ''} with ${JSON.stringify(query)} is no operation that is known here`,
    );
  }
  const bucketArn = `arn:aws:s3:::${bucket}`;
  // Nobody reaches S3 but over TLS; the server of the tests is S3's stand-in there.
  const context: Record<string, string> = { 'aws:SecureTransport': 'true' };
  if (key === undefined) {
    for (const name of ['prefix', 'delimiter', 'max-keys']) {
      if (query[name] !== undefined) context[`s3:${name}`] = query[name];
    }
    return [{ action: ACTIONS[operation], resource: bucketArn, context }];
  }
  if (WRITING.has(operation)) context['s3:ObjectCreationOperation'] = String(CREATING.has(operation));
  for (const name of ['if-none-match', 'if-match', 'x-amz-server-side-encryption'] as const) {
    if (headers[name] !== undefined) context[`s3:${name}`] = String(headers[name]);
  }
  const resource = `${bucketArn}/${key}`;
  const needed: Permission[] = [{ action: ACTIONS[operation], resource, context }];
  for (const [name, action] of Object.entries(ACTIONS_OF_HEADERS)) {
    if (headers[name] !== undefined) needed.push({ action, resource, context });
  }
  // That there is no such object is told only to those who may list it, and the key is then what `s3:prefix` is compared with: others
  // get 403, which the store must take for a refusal.
  if (ACTIONS[operation] === 's3:GetObject' && status === 404) {
    needed.push({ action: 's3:ListBucket', resource: bucketArn, context: { ...context, 's3:prefix': key } });
  }
  return needed;
}

/** What the key management is asked in S3's name. */
export function kmsPermissionsOf({ operation }: S3Request, keyArn: string, region: string): Permission[] {
  const context = { 'kms:ViaService': `s3.${region}.amazonaws.com` };
  return (KMS_ACTIONS[operation!] ?? []).map((action) => ({ action, resource: keyArn, context }));
}

export interface Judgement {
  /** What was asked for and is not allowed, each once. */
  readonly refused: readonly string[];
  /** Actions that the policy allows and nobody needed: "Sid action". */
  readonly unused: readonly string[];
}

/** @param guards policies of the resource, which may deny besides */
export function judge(policy: Policy, permissions: readonly Permission[], guards: readonly Policy[] = []): Judgement {
  const refused = new Set<string>();
  const used = new Set<string>();
  for (const permission of permissions) {
    const { result, statements } = decide([policy, ...guards], permission);
    const { action, resource, context } = permission;
    if (result !== 'allowed') refused.add(`${action} ${resource} ${JSON.stringify(context)}: ${result}`);
    else for (const { Sid } of statements) used.add(`${Sid} ${action}`);
  }
  const unused = allowedActions(policy)
    .map(({ statement, action }) => `${statement.Sid} ${action}`)
    .filter((each) => !used.has(each));
  return { refused: [...refused], unused };
}
