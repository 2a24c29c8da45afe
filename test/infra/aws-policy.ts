// The policies of infra/aws, filled as Terraform's `templatefile` fills them.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Policy } from '../support/iam-policy.ts';

const POLICIES = join(import.meta.dirname, '..', '..', 'infra', 'aws', 'policies');
const DEFAULTS = { partition: 'aws', region: 'us-east-1', dns_suffix: 'amazonaws.com' };

/** The template of that name. Throws where a variable of it has no value. */
export function awsPolicy(name: string, values: Readonly<Record<string, string>>): Policy {
  const known: Readonly<Record<string, string>> = { ...DEFAULTS, ...values };
  const text = readFileSync(join(POLICIES, `${name}.json`), 'utf8');
  return JSON.parse(
    text.replace(/\$\{(\w+)\}/g, (_, variable: string) => {
      const value = known[variable];
      if (value === undefined) throw new Error(`${name}.json: nobody says what ${variable} is`);
      return value;
    }),
  ) as Policy;
}
