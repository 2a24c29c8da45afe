// What takes tens of megabytes for a moment, one after another: the rows of a commit, and a checkpoint. Knows nothing of either.

let last: Promise<unknown> = Promise.resolve();

/** Does the work when all that was given before is done; whether that failed does not matter. */
export function inTurn<T>(work: () => Promise<T>): Promise<T> {
  const result = last.then(work);
  last = result.catch(() => undefined);
  return result;
}
