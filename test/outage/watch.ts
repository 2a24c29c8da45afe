// Watches a process from outside, as the kernel accounts it: resident memory four times a second, its peak and its CPU time
// between two marks. Knows nothing of what the process does.
import { writeFileSync } from 'node:fs';
import { processCpuNs, processMemory } from '../bench/support/process-memory.ts';

/** One stretch of time. */
export interface Stretch {
  readonly name: string;
  readonly seconds: number;
  /** Most that was ever resident (VmHWM, which the kernel keeps), in bytes. */
  readonly peakBytes: number;
  /** Mean of the samples, in bytes. */
  readonly meanBytes: number;
  /** Of one core. */
  readonly cpuSeconds: number;
}

const SAMPLE_MS = 250;

export class ProcessWatch {
  readonly #pid: number;
  readonly #timer: NodeJS.Timeout;
  #residentBytes: number[] = [];
  #beganMs = performance.now();
  #beganCpuNs: number;

  constructor(pid: number) {
    this.#pid = pid;
    this.#beganCpuNs = processCpuNs(pid);
    this.#begin();
    this.#timer = setInterval(() => this.#sample(), SAMPLE_MS);
  }

  /** Ends the stretch that runs, and begins the next. */
  mark(name: string): Stretch {
    const { residentBytes, peakBytes } = processMemory(this.#pid);
    const samples = [...this.#residentBytes, residentBytes];
    const stretch = {
      name,
      seconds: (performance.now() - this.#beganMs) / 1000,
      peakBytes,
      meanBytes: samples.reduce((a, b) => a + b) / samples.length,
      cpuSeconds: (processCpuNs(this.#pid) - this.#beganCpuNs) / 1e9,
    };
    this.#begin();
    return stretch;
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  [Symbol.dispose](): void {
    this.stop();
  }

  #sample(): void {
    try {
      this.#residentBytes.push(processMemory(this.#pid).residentBytes);
    } catch {
      this.stop(); // It has ended; whoever waits for it says so.
    }
  }

  #begin(): void {
    this.#residentBytes = [];
    this.#beganMs = performance.now();
    this.#beganCpuNs = processCpuNs(this.#pid);
    // Sets VmHWM back to what is resident now (proc_pid_clear_refs(5)).
    writeFileSync(`/proc/${this.#pid}/clear_refs`, '5');
  }
}
