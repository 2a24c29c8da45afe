// Globs: `*` stands for any text, `?` for one character, everything else for itself. Pure.

/** Whether the glob describes the whole text. */
export function globMatches(glob: string, text: string): boolean {
  const pattern = glob.replaceAll(/[\\^$.*+?()[\]{}|/]/g, (character) => {
    if (character === '*') return '.*';
    return character === '?' ? '.' : `\\${character}`;
  });
  return new RegExp(`^${pattern}$`, 'su').test(text);
}

/** The character that takes the meaning off the next one in a pattern of LIKE. */
export const LIKE_ESCAPE = '\\';

/** The same as a pattern of LIKE. */
export function likePattern(glob: string): string {
  return glob.replaceAll(/[\\%_*?]/g, (character) => {
    if (character === '*') return '%';
    return character === '?' ? '_' : LIKE_ESCAPE + character;
  });
}
