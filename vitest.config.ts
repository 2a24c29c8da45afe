import { defineConfig } from 'vitest/config';
import { LongestFirst } from './test/support/longest-first.ts';

// Four tiers. `unit`: any laptop, seconds. `store`: real object stores on this machine, no root; installs them on the first
// run. `kubernetes`: a real Kubernetes control plane where KUBEBUILDER_ASSETS has one, and a stand-in. `kernel`: Linux as root,
// network namespaces, real traffic, real processes, after all others: what counts packets is not disturbed by what computes. Each
// file has its own namespaces, ports and folders, so two of any tier run at a time. Limits of time are there for what hangs: a machine
// that others share was three times slower for an hour than it is.
// FLOWTOLL_TEST_RESULTS names a file that gets the results as JSON besides, for CI to count.
const resultsFile = process.env['FLOWTOLL_TEST_RESULTS'];

export default defineConfig({
  test: {
    // Half of the time of most files is waiting: one worker for each of two cores would leave one idle.
    maxWorkers: 2,
    sequence: { sequencer: LongestFirst },
    reporters: resultsFile ? ['default', ['json', { outputFile: resultsFile }]] : ['default'],
    projects: [
      {
        test: {
          name: 'unit',
          include: [
            '{proto,agent,aggregator}/src/**/*.test.ts',
            'images/**/*.test.ts',
            'test/*.test.ts',
            'test/bills/*.test.ts',
          ],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'store',
          include: ['test/stores/**/*.test.ts', 'test/infra/**/*.test.ts', 'test/monitoring/**/*.test.ts'],
          testTimeout: 360_000,
          hookTimeout: 360_000,
        },
      },
      {
        test: {
          name: 'kubernetes',
          include: ['test/kubernetes/**/*.test.ts'],
          testTimeout: 120_000,
          hookTimeout: 180_000,
        },
      },
      {
        test: {
          name: 'kernel',
          include: ['test/integration/**/*.test.ts'],
          testTimeout: 900_000,
          hookTimeout: 400_000,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
