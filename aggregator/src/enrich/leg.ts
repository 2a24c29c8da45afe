// Which legs a flow has on the reporting node. A pure decision on where its two ends are.
import type { Whereabouts } from './endpoint.ts';

/**
 * `initiator`, `responder`: one leg, that side is local. `both`: two rows, one per local side. `forwarded`: the node
 * passes the traffic on, and has a leg to each side. `guess-initiator`, `guess-responder`: nobody can know the legs, so
 * the bytes are stored once, with the likelier side as the local one.
 */
export type Legs = 'initiator' | 'responder' | 'both' | 'forwarded' | 'guess-initiator' | 'guess-responder';

const LIKELIHOOD_HERE: Readonly<Record<Whereabouts, number>> = {
  here: 3,
  'possibly-here': 2,
  'probably-elsewhere': 1,
  elsewhere: 0,
};

/** `isReporterKnown`: the topology has the reporting node; without it nobody can say what is local to it. */
export function decideLegs(initiator: Whereabouts, responder: Whereabouts, isReporterKnown: boolean): Legs {
  const initiatorHere = initiator === 'here';
  const responderHere = responder === 'here';
  if (initiatorHere && responderHere) {
    return 'both';
  }
  if (initiatorHere) {
    return 'initiator';
  }
  if (responderHere) {
    return 'responder';
  }
  const mayBeHere = initiator === 'possibly-here' || responder === 'possibly-here';
  if (isReporterKnown && !mayBeHere) {
    return 'forwarded';
  }
  return LIKELIHOOD_HERE[initiator] >= LIKELIHOOD_HERE[responder] ? 'guess-initiator' : 'guess-responder';
}
