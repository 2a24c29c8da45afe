// In which order test files run: those that take longest first, so that no worker is left alone with one at the end. A fresh clone
// knows no durations, and vitest goes by the size of files. Seconds are those of a run of CI: a hint, of which nothing depends.
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** By file. */
export const TEST_SECONDS: Readonly<Record<string, number>> = {
  'test/integration/crash-s3.test.ts': 228,
  'test/integration/outage.test.ts': 135,
  'test/integration/crash.test.ts': 112,
  'test/kubernetes/away.test.ts': 75,
  'test/integration/spool-trouble.test.ts': 72,
  'test/kubernetes/chart.test.ts': 68,
  'test/integration/conservation.test.ts': 68,
  'test/integration/cluster-story.test.ts': 61,
  'test/stores/query.test.ts': 48,
  'test/stores/upkeep-points.test.ts': 45,
  'test/integration/bad-input.test.ts': 42,
  'test/integration/crash-points.test.ts': 40,
  'test/stores/s3-watch.test.ts': 38,
  'test/integration/watch.test.ts': 38,
  'test/stores/s3-trouble.test.ts': 38,
  'test/serve.test.ts': 36,
  'test/integration/images.test.ts': 34,
  'test/kubernetes/unwatched.test.ts': 32,
  'test/stores/s3.test.ts': 32,
  'test/stores/table-checks.test.ts': 31,
  'test/stores/s3-refusals.test.ts': 31,
  'test/stores/foreign-writers.test.ts': 29,
  'test/stores/azure.test.ts': 28,
  'test/stores/gcs.test.ts': 26,
  'test/kubernetes/serve.test.ts': 26,
  'test/integration/store-trouble.test.ts': 20,
  'test/integration/kubernetes-names.test.ts': 18,
  'aggregator/src/upkeep/rewriter.test.ts': 18,
  'test/simulation.test.ts': 17,
  'test/monitoring/story.test.ts': 16,
  'test/integration/images-build.test.ts': 15,
  'test/repository.test.ts': 15,
  'test/bills/report-bill.test.ts': 15,
  'aggregator/src/commands/report-sources.test.ts': 15,
  'aggregator/src/api/watcher.test.ts': 14,
  'test/kubernetes/endpoints.test.ts': 14,
  'test/integration/overflow.test.ts': 13,
  'aggregator/src/kubernetes/kubernetes-caches.test.ts': 12,
  'test/kubernetes/readers.test.ts': 12,
  'test/kubernetes/exchanges.test.ts': 12,
};

export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    return sorted.toSorted((a, b) => groupOf(a) - groupOf(b) || secondsOf(b) - secondsOf(a));
  }
}

function groupOf({ project }: TestSpecification): number {
  return project.config.sequence.groupOrder;
}

function secondsOf({ moduleId, project }: TestSpecification): number {
  const { root } = project.config;
  return TEST_SECONDS[moduleId.startsWith(root) ? moduleId.slice(root.length + 1) : moduleId] ?? 0;
}
