// The reader of policies that the tests judge with, held against what AWS documents of its own: one statement of the language each.
import { describe, expect, test } from 'vitest';
import { allowedActions, decide, type Policy, type Statement } from '../support/iam-policy.ts';

const ALLOW_ALL: Statement = { Effect: 'Allow', Action: 's3:*', Resource: '*' };

function decision(statements: readonly object[], context: Record<string, string> = {}, action = 's3:GetObject') {
  const policy = { Version: '2012-10-17', Statement: statements } as Policy;
  return decide([policy], { action, resource: 'arn:aws:s3:::bucket/a/b.json', context }).result;
}

describe('a policy', () => {
  test.each([
    ['nothing allows', [], 'denied by nobody having allowed it'],
    ['one allows', [ALLOW_ALL], 'allowed'],
    ['one denies what another allows', [ALLOW_ALL, { ...ALLOW_ALL, Effect: 'Deny' }], 'denied by a statement'],
    ['another action', [{ ...ALLOW_ALL, Action: ['s3:PutObject'] }], 'denied by nobody having allowed it'],
    ['actions know no case', [{ ...ALLOW_ALL, Action: 'S3:getobject' }], 'allowed'],
    ['"*" goes on over "/"', [{ ...ALLOW_ALL, Resource: 'arn:aws:s3:::bucket/*.json' }], 'allowed'],
    [
      '"?" is one character',
      [{ ...ALLOW_ALL, Resource: 'arn:aws:s3:::bucket/?.json' }],
      'denied by nobody having allowed it',
    ],
    ['a dot is a dot', [{ ...ALLOW_ALL, Resource: 'arn:aws:s3:::bucket/a/b?json' }], 'allowed'],
    [
      'resources know case',
      [{ ...ALLOW_ALL, Resource: 'arn:aws:s3:::Bucket/*' }],
      'denied by nobody having allowed it',
    ],
  ] as const)('%s', (_, statements, expected) => expect(decision(statements)).toBe(expected));

  test.each([
    ['StringLike', { 'S3:Prefix': ['x', 'a/*'] }, { 's3:prefix': 'a/b' }, true],
    ['StringLike', { 's3:prefix': 'a/*' }, { 's3:prefix': 'b/a/' }, false],
    ['StringLike', { 's3:prefix': 'a/*' }, {}, false],
    ['StringLikeIfExists', { 's3:prefix': 'a/*' }, {}, true],
    ['StringEquals', { 's3:prefix': 'a/*' }, { 's3:prefix': 'a/b' }, false],
    ['Bool', { 'aws:SecureTransport': 'false' }, { 'aws:SecureTransport': 'true' }, false],
    ['Bool', { 'aws:SecureTransport': 'true' }, {}, false],
    ['Null', { 's3:if-none-match': 'true' }, {}, true],
    ['Null', { 's3:if-none-match': 'true' }, { 's3:if-none-match': '*' }, false],
    ['Null', { 's3:if-none-match': 'false' }, { 's3:if-none-match': '*' }, true],
  ] as const)('%s %j with %j: %s', (operator, keys, context, holds) => {
    const result = decision([{ ...ALLOW_ALL, Condition: { [operator]: keys } }], context);
    expect(result === 'allowed').toBe(holds);
  });

  test('all conditions of a statement must hold', () => {
    const Condition = { Null: { 's3:if-none-match': 'true' }, Bool: { 's3:ObjectCreationOperation': 'true' } };
    expect(decision([{ ...ALLOW_ALL, Condition }], { 's3:ObjectCreationOperation': 'false' })).not.toBe('allowed');
    expect(decision([{ ...ALLOW_ALL, Condition }], { 's3:ObjectCreationOperation': 'true' })).toBe('allowed');
  });

  test('what is not known is not judged', () => {
    expect(() => decision([{ ...ALLOW_ALL, NotAction: 's3:*' }])).toThrow(/NotAction/);
    expect(() => decision([{ ...ALLOW_ALL, Principal: { AWS: '1' } }])).toThrow(/Principal/);
    expect(() => decision([{ ...ALLOW_ALL, Resource: 'arn:aws:s3:::bucket/${aws:username}' }])).toThrow(/variable/);
    const Condition = { IpAddress: { 'aws:SourceIp': '10.0.0.0/8' } };
    expect(() => decision([{ ...ALLOW_ALL, Condition }], { 'aws:SourceIp': '10.0.0.1' })).toThrow(/IpAddress/);
    expect(() => allowedActions({ Version: '2012-10-17', Statement: [ALLOW_ALL] })).toThrow(/s3:\*/);
  });
});
