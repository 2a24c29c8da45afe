// What tests need of a cluster, be it the real control plane or the stand-in.

export interface TestCluster {
  /** Which it is, for those who read the output of tests. */
  readonly name: string;
  /** https://127.0.0.1:port, or http://… */
  readonly server: string;
  /** Certificates that the server's is signed by, and its own certificate with key, all PEM; undefined without TLS. */
  readonly tls: { readonly ca: string; readonly certificate: string; readonly key: string } | undefined;
  /** May do everything. */
  readonly adminToken: string;
  stop(): Promise<void>;
}

export interface KubeconfigOptions {
  readonly server: string;
  /** Undefined: the server has no TLS. */
  readonly ca: string | undefined;
  /** The user, as a kubeconfig has it. */
  readonly user: Readonly<Record<string, unknown>>;
}

/** Text of a kubeconfig with the one context "test". JSON is YAML, too. */
export function kubeconfigText({ server, ca, user }: KubeconfigOptions): string {
  const cluster =
    ca === undefined
      ? { server, 'insecure-skip-tls-verify': true }
      : { server, 'certificate-authority-data': Buffer.from(ca).toString('base64') };
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'test', cluster }],
    users: [{ name: 'test', user }],
    contexts: [{ name: 'test', context: { cluster: 'test', user: 'test' } }],
    'current-context': 'test',
  });
}
