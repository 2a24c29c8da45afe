// Which Delta protocols this code reads and writes, and what it says of others. Pure.
import { FlowtollError } from '../model/errors.ts';
import type { ProtocolAction } from './delta-actions.ts';

/** The widest choice of readers: no table features. */
export const PROTOCOL: ProtocolAction = { minReaderVersion: 1, minWriterVersion: 2 };

/**
 * Throws TABLE_INVALID, naming versions and features, unless this code may read a table of the protocol.
 * @param table names the table and where it is
 */
export function requireReadableProtocol(protocol: ProtocolAction, table: string): void {
  if (protocol.minReaderVersion > PROTOCOL.minReaderVersion) throw upgraded(protocol, table, 'reads and writes');
}

/** The same for writing, which asks for more. */
export function requireWritableProtocol(protocol: ProtocolAction, table: string): void {
  requireReadableProtocol(protocol, table);
  if (protocol.minWriterVersion > PROTOCOL.minWriterVersion) throw upgraded(protocol, table, 'writes');
}

function upgraded(protocol: ProtocolAction, table: string, does: string): FlowtollError {
  const { readerFeatures = [], writerFeatures = [] } = protocol;
  const features = [...new Set([...readerFeatures, ...writerFeatures])].sort();
  const wanted = features.length === 0 ? '' : ` with the features ${features.join(', ')}`;
  return new FlowtollError(
    'TABLE_INVALID',
    `${table} needs Delta protocol ${text(protocol)}${wanted}; this version of Flowtoll ${does} ${text(PROTOCOL)}, without ` +
      'features: another program upgraded it. Use a newer Flowtoll, let that program drop the features (ALTER TABLE … DROP ' +
      'FEATURE), or begin a new table with another --cluster or --store (docs/stores.md)',
  );
}

const text = ({ minReaderVersion, minWriterVersion }: ProtocolAction): string =>
  `${minReaderVersion}/${minWriterVersion}`;
