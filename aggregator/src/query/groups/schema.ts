// The format of a file of allocation groups, once: validation, types and the published JSON Schema all come from here. What a
// schema cannot say (a name twice, a condition that cannot be read) is read.ts's.
import { z } from 'zod';

/** More than reports have use for; DuckDB nests a few expressions for each. */
export const GROUPS_MAX = 100;

const name = z
  .string()
  .min(1)
  .max(100)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what it keeps out
  .regex(/^[^\u0000-\u001f\u007f]*$/, 'A name is one line, without control characters');

export const groupSchema = z
  .strictObject({
    name: name.describe('Name of the group in reports; each once.'),
    where: z
      .string()
      .describe('Which rows it has: a condition as for --filter. The first group whose condition is met has the row.'),
  })
  .describe('One group.');

export const groupsSchema = z
  .strictObject({
    version: z.literal(1).describe('Version of this format.'),
    rest: name.optional().describe('Name of what no group has. Default: (other).'),
    groups: z.array(groupSchema).min(1).max(GROUPS_MAX).describe('The groups, in the order in which they are tried.'),
  })
  .describe('Flowtoll allocation groups: who shall bear which costs.');

export type GroupsFile = z.infer<typeof groupsSchema>;

/** JSON Schema of the file, as committed in docs/groups.schema.json. */
export function groupsJsonSchema(): Record<string, unknown> {
  return { title: 'Flowtoll allocation groups', ...z.toJSONSchema(groupsSchema) };
}
