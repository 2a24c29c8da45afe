// Which source the flows come from: the one that was asked for, or the one that sees the pods' traffic. Never both: what
// Cilium forwards through the kernel's stack is in both tables, and would count twice.
import type { CaptureLog, CaptureSource } from './capture-source.ts';
import { ACCOUNTING_ADVICE, openCiliumSource } from './cilium-source.ts';
import type { CaptureConfig } from './config.ts';
import { openConntrackSource } from './conntrack-source.ts';
import { chooseSource } from './source-choice.ts';
import { surveySources } from './source-survey.ts';

/** @throws what opening the source throws */
export function openSource(config: CaptureConfig, nowUs: () => number, log: CaptureLog): CaptureSource {
  if (config.source === 'conntrack') return openConntrackSource(config, nowUs, log);
  if (config.source === 'cilium') return openCiliumSource(config, nowUs, log);
  const survey = surveySources(config.cilium, nowUs);
  const { source, because, isWorry } = chooseSource(survey);
  const advice = survey.cilium === 'accounting-off' ? `; ${ACCOUNTING_ADVICE}` : '';
  log(isWorry ? 'error' : 'info', `flows come from ${source}: ${because}${advice}`, { source, ...survey });
  return source === 'cilium' ? openCiliumSource(config, nowUs, log) : openConntrackSource(config, nowUs, log);
}
