// The reader of rows in its own thread, seen from the main one: the same interface, one message each way for each chunk. The
// thread begins with the first read, so that who has no watchers pays nothing, and again after it has died.
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { ReadRequest, RowReader, RowsChunk } from './row-reader.ts';
import type { ReaderAnswer, ReaderCommand } from './row-reader-worker.ts';

interface Pending {
  resolve(chunk: RowsChunk | undefined): void;
  reject(error: Error): void;
}

export function createReaderThread(): RowReader {
  let thread: ReaderThread | undefined;
  return {
    async *read(request) {
      if (thread === undefined) {
        const started = new ReaderThread(() => {
          if (thread === started) thread = undefined;
        });
        thread = started;
      }
      yield* thread.read(request);
    },
    async close() {
      await thread?.close();
    },
  };
}

class ReaderThread {
  readonly #worker = new Worker(new URL('./row-reader-worker.ts', import.meta.url));
  readonly #pending = new Map<number, Pending>();
  #nextId = 0;

  /** @param onEnd the thread has ended, as asked or not */
  constructor(onEnd: () => void) {
    let reason = new Error('the thread that reads rows has ended');
    this.#worker.on('message', (answer: ReaderAnswer) => this.#take(answer));
    this.#worker.on('error', (error) => {
      reason = error instanceof Error ? error : new Error(String(error));
    });
    this.#worker.on('exit', () => {
      onEnd();
      for (const { reject } of this.#pending.values()) reject(reason);
      this.#pending.clear();
    });
    // Who waits for nothing must not be kept alive by it.
    this.#worker.unref();
  }

  async *read(request: ReadRequest): AsyncGenerator<RowsChunk, void, undefined> {
    const id = this.#nextId++;
    this.#send({ kind: 'open', id, request });
    try {
      for (;;) {
        const chunk = await this.#next(id);
        if (chunk === undefined) return;
        yield chunk;
      }
    } finally {
      this.#send({ kind: 'stop', id });
    }
  }

  async close(): Promise<void> {
    const exited = once(this.#worker, 'exit');
    this.#worker.ref();
    this.#send({ kind: 'close' });
    await exited;
  }

  #next(id: number): Promise<RowsChunk | undefined> {
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject });
      this.#send({ kind: 'next', id });
    });
  }

  #take(answer: ReaderAnswer): void {
    const pending = this.#pending.get(answer.id);
    this.#pending.delete(answer.id);
    switch (answer.kind) {
      case 'chunk':
        pending?.resolve(answer.chunk);
        break;
      case 'end':
        pending?.resolve(undefined);
        break;
      case 'failed':
        pending?.reject(new Error(answer.message));
        break;
    }
  }

  #send(command: ReaderCommand): void {
    this.#worker.postMessage(command);
  }
}
