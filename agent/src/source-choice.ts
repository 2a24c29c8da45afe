// Conntrack or Cilium's maps: the decision, as a function of what was found on the node.

/** What was found. */
export interface SourceSurvey {
  /** Cilium's conntrack maps. "unreadable": they are there, and the agent may not, or cannot, read them. */
  readonly cilium: 'absent' | 'unreadable' | 'accounting-off' | 'counting';
  /** Why, where they are unreadable. */
  readonly problem: string | undefined;
  /** Live TCP connections of Cilium's maps that were looked for in the kernel's conntrack, and those that are there, too. */
  readonly sampled: number;
  readonly inConntrack: number;
}

/** Which source, and why. */
export interface SourceChoice {
  readonly source: 'conntrack' | 'cilium';
  readonly because: string;
  /** Whether pods' traffic probably goes unseen, so that somebody has to do something. */
  readonly isWorry: boolean;
}

/** Fewer connections prove nothing. */
const SAMPLES_MIN = 10;
/** Part of them that conntrack has where both see the same: some end between the two readings. */
const SHARED_MIN = 0.9;

/**
 * Conntrack where it sees everything that Cilium sees: it tells directions apart, knows when connections begin and end, and
 * sees the node's own traffic, too. Else Cilium's maps, where they count.
 */
export function chooseSource({ cilium, problem, sampled, inConntrack }: SourceSurvey): SourceChoice {
  const conntrack = (because: string, isWorry: boolean): SourceChoice => ({ source: 'conntrack', because, isWorry });
  const isShared = sampled >= SAMPLES_MIN && inConntrack >= sampled * SHARED_MIN;
  const shared = "the kernel's conntrack has the connections that Cilium's maps have";
  switch (cilium) {
    case 'absent':
      return conntrack('no conntrack maps of Cilium are pinned here', false);
    case 'unreadable':
      return conntrack(`Cilium's maps are here and cannot be read, so pods' traffic may go unseen: ${problem}`, true);
    case 'accounting-off':
      return isShared ? conntrack(shared, false) : conntrack("Cilium's maps are here and count no bytes", true);
    case 'counting':
      return isShared
        ? conntrack(shared, false)
        : {
            source: 'cilium',
            because: "Cilium's maps have connections that the kernel's conntrack has not",
            isWorry: false,
          };
  }
}
