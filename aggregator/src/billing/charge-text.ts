// What a rate is for, in words. Pure.
import type { Charge } from '../pricing/terms.ts';

/** What a rate or a missing rate is for: "internet out by nat-gateway", "nat-gateway processing out". */
export function chargeText(charge: Charge): string {
  return `${rateText(charge)}${charge.lacksDirection ? ' (its share of both directions)' : ''}`;
}

function rateText({ kind, direction, key }: Charge): string {
  if (kind === 'processing') return `${key.path} processing ${direction}`;
  const places = key.trafficClass === 'cross-region' ? `${key.region} → ${key.peerRegion}` : key.region;
  const what = [key.trafficClass, ...(key.service === null ? [] : [key.service]), direction];
  return `${what.join(' ')}${key.path === null ? '' : ` by ${key.path}`}${places === null ? '' : `, ${places}`}`;
}
