// What an outage must be like: memory, spools, readiness, and a table with everything in it, once and in order.
import { type OutageReport, type OutageScale, SPOOL_BYTES_MAX, type Standing } from './outage.ts';

/** What is wrong, in words; empty when nothing is. */
export function faultsOf(report: OutageReport, { agents, failures, residentBytesMax }: OutageScale): string[] {
  const { stretches, atReturn, atEnd, failedCommits, table } = report;
  const faults: string[] = [];
  const demand = (holds: boolean, fault: string): void => {
    if (!holds) faults.push(fault);
  };
  for (const { name, peakBytes } of stretches) {
    demand(peakBytes < residentBytesMax, `${name}: ${(peakBytes / 2 ** 20).toFixed(1)} MiB were resident`);
  }
  demand(atReturn.waitingBatches > 0, 'nothing waited when the store came back');
  for (const { fullestBytes, lost, diskProblems, epochRestarts } of [atReturn, atEnd]) {
    demand(fullestBytes <= SPOOL_BYTES_MAX, `a spool holds ${fullestBytes} bytes`);
    demand(lost === 0, `agents gave up the flows of ${lost} batches`);
    demand(diskProblems === 0, `spools could not be written ${diskProblems} times`);
    demand(epochRestarts === 0, `agents began ${epochRestarts} new epochs`);
  }
  demand(atEnd.waitingBatches === 0, `${atEnd.waitingBatches} batches wait at the end`);
  demand(atEnd.connected === agents, `${atEnd.connected} agents are connected at the end`);
  demand(failedCommits.readOnly >= failures, `${failedCommits.readOnly} commits failed by a read-only store`);
  demand(failedCommits.gone >= failures, `${failedCommits.gone} commits failed by a store that was gone`);
  demand(report.during.failingSeconds > 0, `no failing commits in the metrics: ${wording(report.during)}`);
  demand(report.after.failingSeconds === 0 && report.after.readiness === 200, `at the end ${wording(report.after)}`);
  return [...faults, ...table.problems, ...(table.problemCount > table.problems.length ? ['and more'] : [])];
}

const wording = ({ readiness, failingSeconds }: Standing): string =>
  `/readyz says ${readiness}, commits have failed for ${failingSeconds} s`;
