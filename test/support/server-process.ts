// Servers that tests start: asked until they answer, and killed, also when this process ends before they were stopped. Knows
// processes; knows no server.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync, rmSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

/** How long a server may take to start. */
const PATIENCE_MS = 180_000;
const ASK_EVERY_MS = 100;
/** Another process may have taken a port between finding and using it. */
const START_ATTEMPTS = 3;

/** A server to be started. */
export interface ServerPlan {
  readonly program: string;
  readonly args: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  /** Succeeds once the server answers. */
  readonly ask: () => Promise<unknown>;
  /** What else must go when the server has ended. */
  readonly sweep?: () => Promise<void>;
}

/** A server that answers. */
export interface ServerProcess {
  /** Kills it and removes what it wrote. */
  stop(): Promise<void>;
}

/** Servers that were not stopped yet, and their folders. */
const running = new Map<ChildProcess, string>();

process.on('exit', () => {
  for (const child of running.keys()) child.kill('SIGKILL');
  // They may need a moment to be gone, and write until then.
  for (const folder of running.values()) rmSync(folder, { recursive: true, force: true, maxRetries: 10 });
});

/** Starts a server as `plan` says, which is asked anew for each try; `folder` is the server's own, empty and temporary. */
export async function startServer<P extends ServerPlan>(
  plan: (folder: string) => Promise<P>,
): Promise<{ readonly plan: P; readonly server: ServerProcess }> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await tryToStart(plan);
    } catch (error) {
      if (attempt >= START_ATTEMPTS) {
        throw error;
      }
    }
  }
}

async function tryToStart<P extends ServerPlan>(planFor: (folder: string) => Promise<P>) {
  const folder = await mkdtemp(join(tmpdir(), 'flowtoll-server-'));
  const plan = await planFor(folder);
  const log = join(folder, 'log');
  const child = spawn(plan.program, plan.args, {
    cwd: folder,
    env: plan.env ?? process.env,
    stdio: ['ignore', openSync(log, 'a'), openSync(log, 'a')],
  });
  const failed = once(child, 'error').catch(() => undefined);
  running.set(child, folder);
  const stop = async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null && child.pid !== undefined) {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    await rm(folder, { recursive: true, force: true });
    running.delete(child);
    await plan.sweep?.();
  };
  try {
    await Promise.race([untilReady(plan, child, log), failed.then((error) => Promise.reject(error))]);
  } catch (error) {
    await stop();
    throw error;
  }
  return { plan, server: { stop } };
}

async function untilReady({ program, ask }: ServerPlan, child: ChildProcess, log: string): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    try {
      await ask();
      return;
    } catch (error) {
      if (child.exitCode !== null || child.signalCode !== null || Date.now() > deadline) {
        throw new Error(`${program} did not start; its last words:\n${(await readFile(log, 'utf8')).slice(-4000)}`, {
          cause: error,
        });
      }
      await delay(ASK_EVERY_MS);
    }
  }
}
