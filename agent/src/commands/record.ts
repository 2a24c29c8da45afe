// `flowtoll-agent record`: what the kernel says, into a file, for bug reports and tests.
import { existsSync } from 'node:fs';
import { release, type } from 'node:os';
import { Command, InvalidArgumentError, Option } from 'commander';
import { startCapture } from '../capture.ts';
import { addCaptureOptions, captureConfig } from '../config.ts';
import { parseDurationMs } from '../duration.ts';
import { AgentError } from '../errors.ts';
import { createLogger } from '../log.ts';
import { Recorder } from '../source/conntrack/recording.ts';

/** The command, to be added to the program. */
export function recordCommand(): Command {
  const command = new Command('record')
    .description('write the datagrams of conntrack dumps and events to a file, with their times')
    .addOption(new Option('--output <file>', 'file to make; it must not exist').makeOptionMandatory())
    .addOption(
      new Option('--duration <duration>', 'how long to record; without it, until interrupted').argParser((text) => {
        const ms = parseDurationMs(text);
        if (ms === undefined || ms <= 0) throw new InvalidArgumentError('Expected a duration like 30s or 5m.');
        return ms;
      }),
    );
  return addCaptureOptions(command).action(async (options: Record<string, unknown>) => {
    const config = captureConfig(options);
    const log = createLogger(config.logLevel);
    const output = options['output'] as string;
    if (existsSync(output)) {
      throw new AgentError('RECORDING_INVALID', `${output} exists; name a file that does not`);
    }
    let recorder: Recorder | undefined;
    const capture = startCapture(config, {
      log: (level, message, fields) => log[level](fields, message),
      onWindow: () => {},
      onFailure: (error) => ending.fail(error),
      tee: (next, timestamps) => {
        recorder = new Recorder(
          output,
          {
            kernel: `${type()} ${release()}`,
            command: ['flowtoll-agent', ...process.argv.slice(2)].join(' '),
            date: new Date().toISOString(),
            node: config.node,
            timestamps,
          },
          next,
          () => Date.now() * 1000,
        );
        return recorder;
      },
    });
    const ending = new Ending(options['duration'] as number | undefined);
    try {
      await ending.reached;
      capture.stop();
    } finally {
      recorder?.close();
    }
    const { messages, dumps } = capture.counts();
    log.info({ file: output, bytes: recorder?.bytesWritten, messages, dumps }, 'recorded');
  });
}

/** The end of a recording: SIGINT, SIGTERM, the end of a duration, or a failure. */
class Ending {
  readonly reached: Promise<void>;
  fail: (error: unknown) => void = () => {};

  constructor(durationMs: number | undefined) {
    this.reached = new Promise((resolve, reject) => {
      const timer = durationMs === undefined ? setInterval(() => {}, 1 << 30) : setTimeout(resolve, durationMs);
      const stop = () => {
        clearTimeout(timer);
        resolve();
      };
      this.fail = (error) => {
        clearTimeout(timer);
        reject(error);
      };
      process.on('SIGINT', stop);
      process.on('SIGTERM', stop);
    });
  }
}
