// Which labels rows carry: `app` is a label of the pod, `namespace:team` the label `team` of its namespace.

/** What a key begins with that names a label of the namespace. */
export const NAMESPACE_LABEL = 'namespace:';

export interface LabelKeys {
  readonly pod: readonly string[];
  readonly namespace: readonly string[];
}

/** Keys as they are configured → the labels that are read of each. */
export function splitLabelKeys(keys: readonly string[]): LabelKeys {
  const ofNamespace = keys.filter((key) => key.startsWith(NAMESPACE_LABEL));
  return {
    pod: keys.filter((key) => !key.startsWith(NAMESPACE_LABEL)),
    namespace: ofNamespace.map((key) => key.slice(NAMESPACE_LABEL.length)),
  };
}
