// Logs: JSON lines on stderr, one event a line. stdout belongs to what a command was asked for.
import { type Logger, pino } from 'pino';

export type { Logger };

/** A logger whose lines name the component. */
export function createLogger(level: string): Logger {
  return pino({ level, base: { component: 'flowtoll-agent' } }, pino.destination({ dest: 2, sync: true }));
}
