#!/usr/bin/env node
// Starts the command line. Knows what has to be settled before anything is loaded.
import { enableCompileCache } from 'node:module';

/**
 * malloc takes its settings when a process begins: blocks of 32 KiB and more are given back to the system when they are freed,
 * and two arenas are enough. Without them, what `serve` has freed stays resident in pieces: 20 to 40 MiB.
 */
const MALLOC = { MALLOC_ARENA_MAX: '2', MALLOC_MMAP_THRESHOLD_: '32768', MALLOC_TRIM_THRESHOLD_: '131072' };

if (process.platform === 'linux' && process.argv[2] === 'serve') {
  const isSettled = Object.keys(MALLOC).some((name) => name in process.env);
  // The same process, with the same id and the same open files, begins anew.
  const args = [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  if (!isSettled) process.execve?.(process.execPath, args, { ...process.env, ...MALLOC });
}

// Stripping types takes a compiler that then stays in memory, 20 MiB; so it is done once.
enableCompileCache();
await import('../src/main.ts');
