// How pods end: at once where nobody runs them, else they are marked and stay until a kubelet says that it has ended them. Each way
// there is an event with the mark before the last one.
import { timeText } from './defaults.ts';
import { keyOf, type ObjectStore, type StandInObject } from './object-store.ts';

const FORCED = 0;

/** `graceSeconds`: asked for; the pod's own if undefined. Returns the pod as it is now, or was at its end. */
export function deletePod(store: ObjectStore, pod: StandInObject, asked?: number): StandInObject {
  const graceSeconds = graceOf(pod, asked);
  const { metadata } = pod;
  if (metadata.deletionTimestamp === undefined || metadata.deletionGracePeriodSeconds !== graceSeconds) {
    metadata.deletionTimestamp = timeText(Date.now() + graceSeconds * 1000);
    metadata.deletionGracePeriodSeconds = graceSeconds;
    metadata.generation = (metadata.generation ?? 0) + 1;
    store.put('pods', pod);
  }
  if (graceSeconds === FORCED) store.remove('pods', keyOf(metadata));
  return pod;
}

function graceOf(pod: StandInObject, asked: number | undefined): number {
  const ended = ['Succeeded', 'Failed'].includes(pod['status']?.phase);
  // Nobody runs it, or no longer: nobody has to end it.
  if (!pod['spec']?.nodeName || ended) return FORCED;
  return asked ?? pod.metadata.deletionGracePeriodSeconds ?? pod['spec'].terminationGracePeriodSeconds ?? 30;
}
