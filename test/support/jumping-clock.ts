// Loaded into a process before it starts (`node --import`): its wall clock is off by as many milliseconds as the file says
// that FLOWTOLL_TEST_CLOCK names. What Node itself sees of time (timers, performance.now) goes on as it is, as when somebody
// sets a machine's clock. Leaves out: times that the kernel gives, of files and of conntrack entries.
import { readFileSync } from 'node:fs';

const file = process.env['FLOWTOLL_TEST_CLOCK'];
/** The file is looked at no more often than this. */
const LOOK_MS = 20;

if (file !== undefined) {
  const realNow = Date.now;
  let offsetMs = 0;
  let lookedMs = Number.NEGATIVE_INFINITY;
  Date.now = () => {
    if (performance.now() - lookedMs > LOOK_MS) {
      lookedMs = performance.now();
      offsetMs = Number(readFileSync(file, 'utf8'));
    }
    return realNow() + offsetMs;
  };
}
