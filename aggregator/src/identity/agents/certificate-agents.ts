// Agents by the certificate that they show, which TLS has checked by then: signed by one of the authorities that were given, and valid. The
// node is in its common name, "system:node:NAME" as kubelets have it, or in a URI, "flowtoll:node:NAME"; other names are nobody's, so that the
// certificate of a server of the same authority is no agent. Knows certificates; asks nobody.
import { X509Certificate } from 'node:crypto';
import { type AgentAuthority, type AgentIdentity, AgentRefusedError } from '../../model/agent-identity.ts';
import { NODE_NAME } from './node-name.ts';

const COMMON_NAME_PREFIX = 'system:node:';
const URI_PREFIX = 'flowtoll:node:';
const FORM = `its common name must be ${COMMON_NAME_PREFIX}NAME, or a URI of it ${URI_PREFIX}NAME`;

/** @param now milliseconds since the Unix epoch */
export function createCertificateAgents(now: () => number): AgentAuthority {
  return {
    async identify({ certificate }): Promise<AgentIdentity> {
      if (certificate === undefined) {
        throw new AgentRefusedError(
          'no-proof',
          'no certificate came that an authority of ours signed: give the agent one with --tls-cert and --tls-key (docs/security.md)',
        );
      }
      const { subject, subjectAltName, validToDate } = new X509Certificate(certificate);
      const untilMs = validToDate.getTime();
      const name = (subject || subjectAltName || 'without a name').replaceAll('\n', ', ').slice(0, 300);
      if (untilMs <= now()) {
        throw new AgentRefusedError(
          'not-authenticated',
          `the certificate ${name} expired at ${validToDate.toISOString()}`,
        );
      }
      const nodes = new Set([...nodesOfSubject(subject), ...nodesOfAltNames(subjectAltName)]);
      const [node] = nodes;
      if (node === undefined || !NODE_NAME.test(node)) {
        throw new AgentRefusedError('malformed', `the certificate ${name} names no node: ${FORM}`);
      }
      if (nodes.size > 1) {
        throw new AgentRefusedError(
          'malformed',
          `the certificate ${name} names ${nodes.size} nodes: ${FORM}, of one node`,
        );
      }
      return { node, name, untilMs };
    },
    stop: () => undefined,
  };
}

/** "CN=…" on a line of its own; Node escapes what would look like another. */
function nodesOfSubject(subject: string | undefined): string[] {
  const names = (subject ?? '').split('\n').filter((line) => line.startsWith(`CN=${COMMON_NAME_PREFIX}`));
  return names.map((line) => line.slice(`CN=${COMMON_NAME_PREFIX}`.length));
}

/** "DNS:a, URI:b, DirName:\"…\"": Node quotes what would look like another. */
function nodesOfAltNames(text: string | undefined): string[] {
  const nodes: string[] = [];
  for (const [, kind, value] of (text ?? '').matchAll(/(?:^|, )([^:,]+):("(?:[^"\\]|\\.)*"|[^,]*)/g)) {
    if (kind === 'URI' && value!.startsWith(URI_PREFIX)) nodes.push(value!.slice(URI_PREFIX.length));
  }
  return nodes;
}
