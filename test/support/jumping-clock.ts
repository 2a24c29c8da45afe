// Loaded into a process before it starts (`node --import`): its wall clock is off by as many milliseconds as the file says
// that FLOWTOLL_TEST_CLOCK names. What Node itself sees of time (timers, performance.now) goes on as it is, as when somebody
// sets a machine's clock. Leaves out: times that the kernel gives, of files and of conntrack entries.
import { readFileSync } from 'node:fs';

const file = process.env['FLOWTOLL_TEST_CLOCK'];

if (file !== undefined) {
  const realNow = Date.now;
  let offsetMs = 0;
  // Looked at with every reading: the clock of a machine is set for all threads of a process at one instant.
  Date.now = () => {
    const text = readFileSync(file, 'utf8');
    // Empty while somebody writes it.
    if (text !== '') offsetMs = Number(text);
    return realNow() + offsetMs;
  };
}
