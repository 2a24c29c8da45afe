// A directory that is gone after the benchmark, whatever ends it: a small process removes it when its input ends.
import { LineProcess } from './line-process.ts';

const guardian = `trap '' INT HUP TERM
directory=$(mktemp -d)
echo "\\"$directory\\""
cat > /dev/null
rm -rf "$directory"`;

export class TemporaryDirectory implements AsyncDisposable {
  readonly path: string;
  readonly #guardian: LineProcess;

  private constructor(path: string, process: LineProcess) {
    this.path = path;
    this.#guardian = process;
  }

  static async create(): Promise<TemporaryDirectory> {
    const process = new LineProcess(['sh', '-c', guardian], { detached: true });
    return new TemporaryDirectory(await process.next<string>(), process);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#guardian[Symbol.asyncDispose]();
  }
}
