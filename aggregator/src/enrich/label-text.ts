// Column `labels`: the configured labels of a pod as a JSON object with sorted keys.
import type { PodIdentity } from '../model/topology.ts';

/** Text for column `labels`, or null if the pod has none of the configured labels. Made once per pod. */
export function createLabelText(labelKeys: readonly string[]): (pod: PodIdentity) => string | null {
  const keys = [...new Set(labelKeys)].sort();
  const texts = new WeakMap<PodIdentity, string | null>();
  return (pod) => {
    let text = texts.get(pod);
    if (text === undefined) {
      const present = keys.filter((key) => Object.hasOwn(pod.labels, key));
      text = present.length === 0 ? null : `{${present.map((key) => pairText(key, pod.labels[key] ?? '')).join(',')}}`;
      texts.set(pod, text);
    }
    return text;
  };
}

/** Written by hand because JSON.stringify puts keys that look like integers first. */
function pairText(key: string, value: string): string {
  return `${JSON.stringify(key)}:${JSON.stringify(value)}`;
}
