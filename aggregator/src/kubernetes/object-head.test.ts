import { expect, test } from 'vitest';
import { readHead } from './object-head.ts';

const metadata =
  '"metadata":{"name":"web-1","generateName":"web-","namespace":"shop","uid":"u-1","resourceVersion":"7","generation":3,"labels":{"uid":"no"';

test('an item of a list, whole or metadata alone', () => {
  const head = { type: undefined, namespace: 'shop', name: 'web-1', uid: 'u-1', resourceVersion: '7' };
  expect(readHead(`{${metadata}`)).toEqual(head);
  expect(readHead(`{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1",${metadata}`)).toEqual(head);
});

test('an event', () => {
  expect(readHead(`{"type":"DELETED","object":{"kind":"Pod","apiVersion":"v1",${metadata}`)).toMatchObject({
    ...{ type: 'DELETED', uid: 'u-1' },
  });
});

test('no more than was written before it was cut', () => {
  expect(readHead('{"metadata":{"name":"web-1","uid":"u-')).toEqual({ name: 'web-1' });
});

test('what is written in another way is not known', () => {
  for (const text of ['', 'x'.repeat(100), '{"spec":{"uid":"1"},"metadata":{"uid":"u"}', '{"type":"ADDED"}']) {
    expect(readHead(text)).toEqual({});
  }
});
