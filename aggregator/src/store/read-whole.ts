// Reads whose bytes were cut on their way are done again: the clients of clouds repeat requests, not what comes after the first byte
// of an answer. Knows no cloud.
import { FlowtollError } from '../model/errors.ts';

const ATTEMPTS = 3;

/**
 * What `read` comes to; again while it fails after its answer has begun, a few times.
 * @param read calls `onAnswer` when the bytes begin to come
 */
export async function readWhole<T>(read: (onAnswer: () => void) => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    let isAnswered = false;
    try {
      return await read(() => {
        isAnswered = true;
      });
    } catch (error) {
      // Errors of ours are not the connection's.
      if (!isAnswered || error instanceof FlowtollError || attempt >= ATTEMPTS) {
        throw error;
      }
    }
  }
}
