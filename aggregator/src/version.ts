// The version of the software, from the one place where it stands.
import { readFileSync } from 'node:fs';

/** As in package.json. */
export function aggregatorVersion(): string {
  const manifest: { version: string } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
  return manifest.version;
}
