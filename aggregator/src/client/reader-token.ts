// The token that a client shows: from a file that somebody may renew while we run (Kubernetes does), or a text. Never quoted in a message.
import { readFile } from 'node:fs/promises';
import { FlowtollError } from '../model/errors.ts';

/** Where a token is. */
export type TokenPlace = { readonly file: string } | { readonly text: string; readonly name: string };

/** What headers take, and one word. */
const TOKEN = /^[\x21-\x7e]{1,16384}$/;

/** The token as it is now. Rejects with CONFIG_INVALID. */
export async function readToken(place: TokenPlace): Promise<string> {
  const from = 'file' in place ? `the file ${place.file} (--token-file)` : place.name;
  const text = 'file' in place ? await readText(place.file, from) : place.text;
  const token = text.trim();
  if (TOKEN.test(token)) return token;
  throw new FlowtollError('CONFIG_INVALID', `${from} holds no token: one word of letters, digits and signs is one`);
}

async function readText(file: string, from: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new FlowtollError('CONFIG_INVALID', `${from} cannot be read: ${reason}`, { cause: error });
  }
}
