// Takes comments out of a bundle: V8 keeps the text of a program in memory, and twice as much of it once it has one character beyond
// Latin-1, which are all in comments. Lines stay lines, because Node prints the one that failed. Knows JavaScript by esbuild alone.
import { transform } from 'esbuild';

/** Comments that have lines of their own, but those in which esbuild says which module begins. */
const COMMENTS = /^[ \t]*\/\/(?! \S*\.\S+$).*\n|^[ \t]*\/\*(?:(?!\*\/)[\s\S])*\*\/[ \t]*\n/gm;
const BEYOND_LATIN_1 = /[^\0-\xff]/gu;

/** The same program with fewer comments; as it is where a text in it looks like one. */
export async function withoutComments(code: string): Promise<string> {
  const shorter = code.replaceAll(COMMENTS, '');
  // Comments behind code stay. Expressions may need such characters.
  const latin1 = shorter.replaceAll(BEYOND_LATIN_1, '?');
  const [meaning, ...meanings] = await Promise.all([code, latin1].map(meaningOf));
  if (meanings[0] === meaning) return latin1;
  return latin1 !== shorter && (await meaningOf(shorter)) === meaning ? shorter : code;
}

/** The program as esbuild writes it without comments and blanks. */
async function meaningOf(code: string): Promise<string> {
  return (await transform(code, { minifyWhitespace: true, legalComments: 'none', target: 'node24' })).code;
}
