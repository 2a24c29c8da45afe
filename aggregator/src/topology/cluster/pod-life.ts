// From when to when a pod holds its addresses, as far as its own object says. Pure.
//
// | what the object says | what follows |
// |---|---|
// | no address yet (pending, or its sandbox is gone) | it holds none |
// | pending with an address | its init containers run: it holds the address |
// | running, or unknown (its node is silent) | it holds the address |
// | deletionTimestamp | it is to end, and may send until its grace period is over: it holds the address |
// | succeeded, failed | it has ended, although `status.podIP` stays until somebody deletes the object |
// | host network | the addresses are its node's: it holds none |
//
// The begin is when the kubelet first saw the pod, which is before it had an address; a static pod's mirror may be younger than
// the pod, so that its creation is only asked where nothing else is known.
import type { PodObject } from '../../model/cluster-objects.ts';

/** The addresses that a pod has for itself while it lives. */
export function ownAddresses({ hostNetwork, addresses }: PodObject): readonly string[] {
  return hostNetwork ? [] : addresses;
}

/** From when on it may have held its first addresses; never later than truth. */
export function beginUs({ startedUs, createdUs }: PodObject): number {
  return startedUs ?? createdUs;
}

/** Times of the API are whole seconds, rounded down: what ended in a second may have gone on until its end. */
const TIME_RESOLUTION_US = 1_000_000;

/** When its last container had ended for certain; null where the object does not say. */
export function endUs({ endedUs }: PodObject): number | null {
  return endedUs === null ? null : endedUs + TIME_RESOLUTION_US;
}

/** Whether its containers have ended for good. */
export function hasEnded({ phase }: PodObject): boolean {
  return phase === 'Succeeded' || phase === 'Failed';
}
