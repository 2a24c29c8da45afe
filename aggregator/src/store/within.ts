// A bound on waiting, for clients that have none. Knows time alone.

/**
 * What `work` comes to, or an error after `timeoutMs`. The work itself goes on: whether it still succeeds, nobody will be
 * told.
 */
export async function within<T>(timeoutMs: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${timeoutMs / 1000} s`)), timeoutMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
