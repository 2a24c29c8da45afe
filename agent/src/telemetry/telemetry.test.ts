// What monitoring sees of an agent in trouble. Delivery is played; the text is read by its grammar.
import { describe, expect, test } from 'vitest';
import type { DeliveryStatus } from '../delivery.ts';
import { createExporterCounters } from '../exporter/exporter-counters.ts';
import { Accountant } from '../flow/accountant.ts';
import { AddressRanges } from '../flow/address-ranges.ts';
import { AgentTelemetry } from './telemetry.ts';

const counts = (dumps: number) => ({
  ...new Accountant(
    {
      seed: 1,
      timestamps: true,
      inside: new AddressRanges([]),
      initiatorPrefixV4: 24,
      initiatorPrefixV6: 48,
      maxFlows: 2000,
    },
    0,
  ).counts,
  dumps,
});

function setup(status: Partial<DeliveryStatus> = {}) {
  let nowMs = 0;
  const telemetry = new AgentTelemetry(
    {
      status: {
        counters: createExporterCounters(),
        waiting: { batches: 0, bytes: 0 },
        isConnected: false,
        clockOffsetMs: undefined,
        oldEpochs: 0,
        epochsSetAside: 0,
        epochsForeign: 0,
        spoolFails: false,
        ...status,
      },
    },
    5000,
    () => undefined,
    () => nowMs,
  );
  const value = (name: string) => {
    const line = telemetry
      .metrics()
      .split('\n')
      .find((text) => text.startsWith(`${name} `) || text.startsWith(`${name}{`));
    return line === undefined ? undefined : Number(line.split(' ').at(-1));
  };
  return {
    telemetry,
    value,
    at: (ms: number) => {
      nowMs = ms;
    },
  };
}

const source = { name: 'cilium', mapsReplaced: 2, isAccountingOff: true } as const;

describe('metrics', () => {
  test('what is not known is not there', () => {
    const { value } = setup();
    expect(value('flowtoll_agent_entries')).toBeUndefined();
    expect(value('flowtoll_agent_clock_offset_seconds')).toBeUndefined();
    expect(value('flowtoll_agent_connected')).toBe(0);
  });

  test('trouble shows', () => {
    const counters = createExporterCounters();
    counters.batchesLost.damaged = 3;
    const { telemetry, value } = setup({
      counters,
      waiting: { batches: 7, bytes: 70 },
      isConnected: true,
      clockOffsetMs: -1500,
      oldEpochs: 2,
      epochsSetAside: 1,
      epochsForeign: 1,
      spoolFails: true,
    });
    telemetry.dumped({ durationMs: 20, entries: 11, counts: counts(1), source });
    telemetry.clockJumped();
    telemetry.stateFails(true);
    expect({
      damaged: value('flowtoll_agent_batches_lost_total{reason="damaged"}'),
      waiting: value('flowtoll_agent_queue_batches'),
      bytes: value('flowtoll_agent_queue_bytes'),
      connected: value('flowtoll_agent_connected'),
      offset: value('flowtoll_agent_clock_offset_seconds'),
      old: value('flowtoll_agent_old_epochs'),
      setAside: value('flowtoll_agent_epochs_set_aside'),
      spool: value('flowtoll_agent_spool_failing'),
      state: value('flowtoll_agent_state_failing'),
      jumps: value('flowtoll_agent_clock_jumps_total'),
      source: value('flowtoll_agent_source{source="cilium"}'),
      accountingOff: value('flowtoll_agent_cilium_accounting_off'),
      replaced: value('flowtoll_agent_cilium_maps_replaced_total'),
      entries: value('flowtoll_agent_entries'),
      fast: value('flowtoll_agent_dump_duration_seconds_bucket{le="0.01"}'),
      slow: value('flowtoll_agent_dump_duration_seconds_bucket{le="0.025"}'),
    }).toEqual({
      damaged: 3,
      waiting: 7,
      bytes: 70,
      connected: 1,
      offset: -1.5,
      old: 2,
      setAside: 1,
      spool: 1,
      state: 1,
      jumps: 1,
      source: 1,
      accountingOff: 1,
      replaced: 2,
      entries: 11,
      fast: 0,
      slow: 1,
    });
  });
});

describe('health', () => {
  test('ready after the first complete dump', () => {
    const { telemetry } = setup();
    expect(telemetry.notReadyBecause()).toMatch(/first reading/);
    telemetry.dumped({ durationMs: 1, entries: 0, counts: counts(0), source });
    expect(telemetry.notReadyBecause(), 'a dump that the kernel ended early').toMatch(/first reading/);
    telemetry.dumped({ durationMs: 1, entries: 0, counts: counts(1), source });
    expect(telemetry.notReadyBecause()).toBeUndefined();
  });

  test('dead when the capture thread has been silent for ten intervals, and at least a minute', () => {
    const { telemetry, at } = setup();
    at(60_000);
    expect(telemetry.deadBecause()).toBeUndefined();
    at(60_001);
    expect(telemetry.deadBecause()).toBe('the thread that reads the kernel has finished no dump for 60 s');
    telemetry.dumped({ durationMs: 1, entries: 0, counts: counts(1), source });
    expect(telemetry.deadBecause()).toBeUndefined();
  });
});
