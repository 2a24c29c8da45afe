// What an IAM policy says of a request: as much of the language as the policies in infra/aws use (AWS IAM User Guide, "Policy
// evaluation logic" and "IAM JSON policy elements"). Whatever it does not know is an error, so that nothing is judged by half. Knows no
// service and no request of one.

/** A policy document. */
export interface Policy {
  readonly Version: '2012-10-17';
  readonly Statement: readonly Statement[];
}

export interface Statement {
  readonly Sid?: string;
  readonly Effect: 'Allow' | 'Deny';
  /** Only in policies of resources; "*" is all that is known here. */
  readonly Principal?: '*';
  readonly Action: string | readonly string[];
  readonly Resource: string | readonly string[];
  readonly Condition?: Readonly<Record<string, Readonly<Record<string, string | readonly string[]>>>>;
}

/** One thing that somebody wants to do. */
export interface Permission {
  /** service:Action */
  readonly action: string;
  /** ARN. */
  readonly resource: string;
  /** Condition keys that the request has; those that are not here it has not. */
  readonly context: Readonly<Record<string, string>>;
}

export interface Decision {
  readonly result: 'allowed' | 'denied by nobody having allowed it' | 'denied by a statement';
  /** Those that decided. */
  readonly statements: readonly Statement[];
}

const ELEMENTS = new Set(['Sid', 'Effect', 'Principal', 'Action', 'Resource', 'Condition']);

/** A statement that denies beats all that allow; without one that allows, it is denied. */
export function decide(policies: readonly Policy[], permission: Permission): Decision {
  const fitting = policies.flatMap(({ Statement: statements }) => statements.filter((each) => fits(each, permission)));
  const denying = fitting.filter(({ Effect }) => Effect === 'Deny');
  if (denying.length > 0) return { result: 'denied by a statement', statements: denying };
  return { result: fitting.length > 0 ? 'allowed' : 'denied by nobody having allowed it', statements: fitting };
}

export function isAllowed(policies: readonly Policy[], permission: Permission): boolean {
  return decide(policies, permission).result === 'allowed';
}

/** Actions that the statements allow, and the statement of each. Throws where an action has a wildcard: nobody could say which it names. */
export function allowedActions(policy: Policy): { readonly statement: Statement; readonly action: string }[] {
  return policy.Statement.filter(({ Effect }) => Effect === 'Allow').flatMap((statement) =>
    listOf(statement.Action).map((action) => {
      if (/[*?]/.test(action)) throw new Error(`the action ${action} names many`);
      return { statement, action };
    }),
  );
}

function fits(statement: Statement, { action, resource, context }: Permission): boolean {
  const unknown = Object.keys(statement).filter((name) => !ELEMENTS.has(name));
  if (unknown.length > 0) throw new Error(`a statement has ${unknown.join(', ')}, which is not known here`);
  if (statement.Principal !== undefined && statement.Principal !== '*')
    throw new Error('only Principal "*" is known here');
  return (
    listOf(statement.Action).some((pattern) => isLike(pattern.toLowerCase(), action.toLowerCase())) &&
    listOf(statement.Resource).some((pattern) => isLike(pattern, resource)) &&
    Object.entries(statement.Condition ?? {}).every(([operator, keys]) =>
      Object.entries(keys).every(([key, values]) => holds(operator, listOf(values), contextValue(context, key))),
    )
  );
}

/** Of several values one must fit; a key that the request has not makes a condition false, except where the operator says else. */
function holds(operator: string, values: readonly string[], actual: string | undefined): boolean {
  if (operator === 'Null') return values.some((value) => (value === 'true') === (actual === undefined));
  const [, plain, ifExists] = /^(\w+?)(IfExists)?$/.exec(operator)!;
  if (actual === undefined) return ifExists !== undefined;
  switch (plain) {
    case 'StringEquals':
      return values.some((value) => plainText(value) === actual);
    case 'StringLike':
      return values.some((value) => isLike(value, actual));
    case 'Bool':
      return values.some((value) => value === actual);
    default:
      throw new Error(`the condition ${operator} is not known here`);
  }
}

function contextValue(context: Permission['context'], key: string): string | undefined {
  const found = Object.entries(context).find(([name]) => name.toLowerCase() === key.toLowerCase());
  return found?.[1];
}

/** "*" stands for any text, also with "/" in it, "?" for one character. */
function isLike(pattern: string, text: string): boolean {
  const expression = plainText(pattern)
    .replace(/[.+^$()|[\]\\{}]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  return new RegExp(`^${expression}$`, 's').test(text);
}

function plainText(text: string): string {
  if (text.includes('${')) throw new Error(`${text} has a variable, which is not known here`);
  return text;
}

function listOf<T>(value: T | readonly T[]): readonly T[] {
  return Array.isArray(value) ? value : [value as T];
}
