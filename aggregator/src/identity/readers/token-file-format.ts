// The format of the file of readers' tokens, once: validation, types and the published JSON Schema all come from here. The file holds
// hashes, no tokens: whoever reads it cannot read flows.
import { z } from 'zod';

/** A name of a Kubernetes namespace. */
export const NAMESPACE = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;
/** A name of a reader: it stands in logs. */
export const READER_NAME = /^[A-Za-z0-9]([-A-Za-z0-9._]{0,98}[A-Za-z0-9])?$/;
export const TOKENS_MAX = 10_000;
const NAMESPACES_MAX = 1000;

const tokenSchema = z
  .strictObject({
    name: z
      .string()
      .regex(READER_NAME, 'A name has letters, digits, "-", "." and "_", at most 100')
      .describe('Who has the token: it stands in logs, and limits are for each name.'),
    sha256: z
      .string()
      .regex(/^[0-9a-f]{64}$/, 'A SHA-256 is 64 hexadecimal digits in lower case')
      .describe('SHA-256 of the token, as `flowtoll tokens new` prints it.'),
    namespaces: z
      .union([
        z.literal('all'),
        z.array(z.string().regex(NAMESPACE, 'A namespace is a DNS label, such as shop')).min(1).max(NAMESPACES_MAX),
      ])
      .describe('Whose flows may be seen: "all", or a list of namespaces.'),
    expires: z.iso
      .datetime({ offset: true })
      .optional()
      .describe('Until when the token is good, such as 2027-01-31T00:00:00Z. Default: for ever.'),
  })
  .describe('One token.');

export const tokenFileSchema = z
  .strictObject({
    version: z.literal(1).describe('Version of this format.'),
    tokens: z.array(tokenSchema).max(TOKENS_MAX).describe('The tokens that are taken.'),
  })
  .describe('Tokens of those who may read flows (flowtoll serve --read-auth tokens).');

export type TokenEntry = z.infer<typeof tokenSchema>;

/** JSON Schema of the file, as committed in docs/read-tokens.schema.json. */
export function tokenFileJsonSchema(): Record<string, unknown> {
  return { title: 'Flowtoll tokens of readers', ...z.toJSONSchema(tokenFileSchema) };
}
