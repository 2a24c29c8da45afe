// Comments go, and only comments.
import { describe, expect, test } from 'vitest';
import { withoutComments } from './comments.ts';

describe('a bundle without comments', () => {
  test.each<[string, string, string]>([
    ['lines of comments go', 'a();\n  // why\n/* so\n * it is */\nb();\n', 'a();\nb();\n'],
    ['comments behind code stay', 'a(); // why\n', 'a(); // why\n'],
    ['where a module begins is still said', '// agent/src/main.ts\na();\n', '// agent/src/main.ts\na();\n'],
    ['characters that double the memory go with them', 'a(); // 3 ≤ 4 µs\n', 'a(); // 3 ? 4 µs\n'],
    ['a text that looks like a comment stays', 'a(`\n// no comment\n`);\n', 'a(`\n// no comment\n`);\n'],
    ['an expression with such a character stays', '// why\na(/[‚‘]/);\n', 'a(/[‚‘]/);\n'],
  ])('%s', async (_, code, expected) => {
    expect(await withoutComments(code)).toBe(expected);
  });
});
