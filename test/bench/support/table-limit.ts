// nf_conntrack_max, which only the initial network namespace may change and all others follow. Raised for as long as a
// benchmark needs more room; a small process of its own session puts the old value back when its input ends, so that
// the benchmark's death by any signal does so too.
import { LineProcess } from './line-process.ts';

const guardian = `trap '' INT HUP TERM
limit=/proc/sys/net/netfilter/nf_conntrack_max
old=$(cat $limit)
[ "$old" -ge "$1" ] || echo "$1" > $limit
echo "$old"
cat > /dev/null
[ "$old" -ge "$1" ] || [ "$(cat $limit)" != "$1" ] || echo "$old" > $limit`;

/** Makes room for `entries` in every conntrack table until the result is disposed of. */
export async function raiseTableLimit(entries: number): Promise<AsyncDisposable> {
  const process = new LineProcess(['sh', '-c', guardian, 'table-limit', String(entries)], { detached: true });
  await process.next();
  return process;
}
