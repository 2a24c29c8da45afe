// The token of a call: the one header "authorization: Bearer TOKEN". Knows headers; keeps nothing.
import type { Metadata } from '@grpc/grpc-js';
import { FlowtollError } from '../../model/errors.ts';

const ADVICE = 'send a token as metadata "authorization: Bearer TOKEN" (flowtoll watch --token-file FILE)';

/** Throws READER_UNKNOWN; what came instead does not stand in the message. */
export function bearerToken(metadata: Metadata): string {
  const values = metadata.get('authorization');
  if (values.length === 0) throw new FlowtollError('READER_UNKNOWN', `no token came: ${ADVICE}`);
  const token = /^bearer +([^\s]+)$/i.exec(String(values[0]))?.[1];
  if (values.length > 1 || token === undefined) {
    throw new FlowtollError('READER_UNKNOWN', `what came is not one bearer token: ${ADVICE}`);
  }
  return token;
}
