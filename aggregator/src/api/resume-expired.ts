// What a watcher is told when rows can no longer be told. Carries what the wire says of it; knows no wire.
import { FlowtollError } from '../model/errors.ts';

export type ExpiredReason = 'log-cleaned' | 'files-vacuumed' | 'rewound';

/** What is missed: versions, in whole or in part, and when they were committed. */
export interface MissedRows {
  readonly reason: ExpiredReason;
  readonly fromVersion: number;
  /** Inclusive. */
  readonly toVersion: number;
  /** ms since the Unix epoch; undefined where nobody knows. */
  readonly fromTimeMs: number | undefined;
  readonly toTimeMs: number | undefined;
  /** Where to go on. */
  readonly resumeToken: string;
}

const WHY: Readonly<Record<ExpiredReason, string>> = {
  'log-cleaned': 'their entries in the log were cleaned up',
  'files-vacuumed': 'their files are gone: compacted and vacuumed, or removed',
  rewound: 'the place is in a table or a history that is no longer there',
};

/** Code RESUME_EXPIRED. */
export class ResumeExpiredError extends FlowtollError {
  readonly missed: MissedRows;

  constructor(missed: MissedRows) {
    const { reason, fromVersion, toVersion, fromTimeMs, toTimeMs, resumeToken } = missed;
    const times = `committed from ${instant(fromTimeMs)} to ${instant(toTimeMs)}`;
    super(
      'RESUME_EXPIRED',
      `rows of versions ${fromVersion} to ${toVersion}, ${times}, can no longer be told: ${WHY[reason]}. ` +
        `Read that time from the table, and go on with ${resumeToken}`,
    );
    this.name = 'ResumeExpiredError';
    this.missed = missed;
  }
}

function instant(ms: number | undefined): string {
  return ms === undefined ? 'an unknown time' : new Date(ms).toISOString();
}
