import { expect, test } from 'vitest';
import { chooseSource, type SourceSurvey } from './source-choice.ts';

const found = (survey: Partial<SourceSurvey>): SourceSurvey => ({
  cilium: 'counting',
  problem: undefined,
  sampled: 0,
  inConntrack: 0,
  ...survey,
});

test.each<[string, Partial<SourceSurvey>, 'conntrack' | 'cilium', boolean, RegExp]>([
  ['no maps', { cilium: 'absent' }, 'conntrack', false, /no conntrack maps of Cilium/],
  ['maps that count, of connections that conntrack has not', { sampled: 40 }, 'cilium', false, /has not/],
  ['maps that count, and too few connections', { sampled: 9, inConntrack: 9 }, 'cilium', false, /has not/],
  ['maps of connections that conntrack has, too', { sampled: 40, inConntrack: 37 }, 'conntrack', false, /has the conn/],
  ['maps of connections of which conntrack has many', { sampled: 40, inConntrack: 30 }, 'cilium', false, /has not/],
  ['maps that may not be read', { cilium: 'unreadable', problem: 'EPERM' }, 'conntrack', true, /unseen: EPERM/],
  ['maps that count nothing', { cilium: 'accounting-off', sampled: 40 }, 'conntrack', true, /count no bytes/],
  [
    'maps that count nothing, which conntrack makes up for',
    { cilium: 'accounting-off', sampled: 40, inConntrack: 40 },
    'conntrack',
    false,
    /has the connections/,
  ],
])('%s', (_, survey, source, isWorry, because) => {
  expect(chooseSource(found(survey))).toEqual({ source, isWorry, because: expect.stringMatching(because) });
});
