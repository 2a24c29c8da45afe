import { describe, expect, test } from 'vitest';
import { parseStoreLocation } from './store-location.ts';

describe('accepted', () => {
  const s3 = { kind: 's3', pathStyle: undefined, kmsKey: undefined };
  const cases: [text: string, location: object][] = [
    ['data', { kind: 'directory', path: 'data' }],
    ['/var/lib/a b', { kind: 'directory', path: '/var/lib/a b' }],
    ['./odd:name', { kind: 'directory', path: './odd:name' }],
    ['s3://bucket', { ...s3, bucket: 'bucket', prefix: '' }],
    ['s3://bucket/', { ...s3, bucket: 'bucket', prefix: '' }],
    ['s3://my.bucket-1/a', { ...s3, bucket: 'my.bucket-1', prefix: 'a/' }],
    ['s3://bucket/a/b%20c/', { ...s3, bucket: 'bucket', prefix: 'a/b%20c/' }],
    ['s3://bucket?path-style=false', { ...s3, bucket: 'bucket', prefix: '', pathStyle: false }],
    [
      's3://bucket/a?path-style=true&kms-key=arn:aws:kms:eu-west-1:123456789012:key/1-2',
      { ...s3, bucket: 'bucket', prefix: 'a/', pathStyle: true, kmsKey: 'arn:aws:kms:eu-west-1:123456789012:key/1-2' },
    ],
  ];
  cases.push(
    ['gs://my_bucket/a/b', { kind: 'gs', bucket: 'my_bucket', prefix: 'a/b/' }],
    ['az://container', { kind: 'az', bucket: 'container', prefix: '' }],
  );
  for (const [text, location] of cases) {
    test(text, () => {
      expect(parseStoreLocation(text)).toEqual(location);
    });
  }
});

describe('refused, saying what is accepted', () => {
  const cases: [text: string, says: RegExp][] = [
    ['s3:bucket', /write s3:\/\/bucket\/prefix/],
    ['s3:/bucket/prefix', /write s3:\/\/bucket\/prefix/],
    ['s3://', /"" cannot be the name of a bucket/],
    ['s3:///prefix', /"" cannot be the name of a bucket/],
    ['s3://user@bucket/x', /"user@bucket" cannot be/],
    ['s3a://bucket/x', /s3a:\/\/ is not a kind of store; use s3:\/\/bucket\/prefix/],
    ['https://bucket.s3.amazonaws.com/x', /https:\/\/ is not a kind of store/],
    ['abfss://c@account.dfs.core.windows.net/x', /abfss:\/\/ is not a kind of store; .*az:\/\/container\/prefix/],
    ['gs://bucket/a?kms-key=x', /after "\?" it takes none, .*not "kms-key=x"/],
    ['az:container', /write az:\/\/container\/prefix/],
    ['file:///data', /file:\/\/ is not a kind of store; .* or a directory/],
    ['s3://bucket//a', /prefix must be plain names/],
    ['s3://bucket/a/../b', /prefix must be plain names/],
    ['s3://bucket/a?region=x', /it takes path-style=… and kms-key=…, each once, not "region=x"/],
    ['s3://bucket/a?kms-key=', /not "kms-key="/],
    ['s3://bucket/a?path-style=true&path-style=true', /each once/],
    ['s3://bucket/a?path-style=yes', /path-style takes true or false/],
    ['s3://logs--use1-az4--x-s3/a', /directory buckets.*use a general purpose bucket/],
  ];
  for (const [text, says] of cases) {
    test(text, () => {
      expect(() => parseStoreLocation(text)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
      expect(() => parseStoreLocation(text)).toThrow(says);
    });
  }
});
