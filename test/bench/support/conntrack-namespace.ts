// A network namespace in which conntrack counts what a raw socket sends: a veth pair whose packets are dropped behind
// conntrack's last hook, so that an entry costs no more than its packets. It lives as long as one process that waits
// for the end of its input: whatever kills the benchmark removes it.
import { DaemonProcess } from './daemon-process.ts';
import { LineProcess } from './line-process.ts';

// The timeouts: no entry may die while it is measured. The gateways: routes through one are cached by the kernel.
const setup = `set -e
ip link set lo up
ip link add b0 type veth peer name b1
ip link set b0 arp off
ip link set b0 up
ip link set b1 up
ip addr add 192.0.2.1/24 dev b0
ip -6 addr add fd00:ffff::1/64 dev b0 nodad
ip route add default via 192.0.2.2 dev b0
ip -6 route add default via fd00:ffff::2 dev b0
nft add table netdev bench
nft add chain netdev bench egress '{ type filter hook egress device b0 priority 0; policy drop; }'
nft add table inet bench
nft add chain inet bench unused '{ type filter hook forward priority 0; }'
nft add rule inet bench unused ct state established accept
cd /proc/sys/net/netfilter
for on in acct timestamp events; do echo 1 > nf_conntrack_$on; done
for timeout in nf_conntrack_*timeout*; do echo 86400 > $timeout; done
echo '"ready"'
exec cat > /dev/null`;

/** A private namespace with its own conntrack table; disposing of it removes both. */
export class ConntrackNamespace implements AsyncDisposable {
  readonly #anchor: LineProcess;

  private constructor(anchor: LineProcess) {
    this.#anchor = anchor;
  }

  static async create(): Promise<ConntrackNamespace> {
    const anchor = new LineProcess(['unshare', '--net', 'sh', '-c', setup]);
    await anchor.next();
    return new ConntrackNamespace(anchor);
  }

  /** Starts `command` inside, on one CPU core if it is given. */
  start(command: readonly string[], core?: number): LineProcess {
    const pin = core === undefined ? [] : ['taskset', '--cpu-list', String(core)];
    return new LineProcess(this.#inside([...pin, ...command]));
  }

  /** Starts a part of the product inside. It does not wait for input, so the kernel ends it with us. */
  startDaemon(command: readonly string[]): DaemonProcess {
    return new DaemonProcess(this.#inside(['setpriv', '--pdeathsig', 'KILL', ...command]));
  }

  #inside(command: readonly string[]): string[] {
    return ['nsenter', `--net=/proc/${this.#anchor.pid}/ns/net`, '--', ...command];
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#anchor[Symbol.asyncDispose]();
  }
}
