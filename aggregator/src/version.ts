// The version of the software: that of its package.
import packageJson from '../package.json' with { type: 'json' };

/** As in package.json. */
export function aggregatorVersion(): string {
  return packageJson.version;
}
