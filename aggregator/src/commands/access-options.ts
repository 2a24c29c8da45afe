// Options of `flowtoll serve` about TLS, and who may deliver flows. What they are for stands in docs/security.md.
import { type Command, Option } from 'commander';
import type { AgentAuth } from '../agent-access.ts';
import { parseList, parsePath, parseSwitch } from './option-values.ts';

export interface AccessOptions {
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly tlsClientCa?: string;
  readonly agentAuth: AgentAuth;
  readonly agentAudience: string;
  readonly agentServiceAccounts?: readonly string[];
  readonly agentKeys?: string;
  readonly agentIssuer?: string;
  readonly insecure: boolean;
}

const MODES: readonly AgentAuth[] = ['none', 'kubernetes', 'keys', 'mtls'];

export function addAccessOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--tls-cert <file>', 'PEM file of our certificate, for all ports; read again when it changes')
        .env('FLOWTOLL_TLS_CERT')
        .argParser(parsePath),
    )
    .addOption(
      new Option('--tls-key <file>', 'PEM file of its key; read again when it changes')
        .env('FLOWTOLL_TLS_KEY')
        .argParser(parsePath),
    )
    .addOption(
      new Option('--tls-client-ca <file>', 'PEM file of the authorities of agents’ certificates (--agent-auth mtls)')
        .env('FLOWTOLL_TLS_CLIENT_CA')
        .argParser(parsePath),
    )
    .addOption(
      new Option(
        '--agent-auth <mode>',
        'how agents prove which node they are: tokens that the Kubernetes API reviews, or that are checked with keys; certificates; or not at all',
      )
        .env('FLOWTOLL_AGENT_AUTH')
        .choices(MODES)
        .default('none'),
    )
    .addOption(
      new Option('--agent-audience <audience>', 'audience of agents’ tokens')
        .env('FLOWTOLL_AGENT_AUDIENCE')
        .default('flowtoll'),
    )
    .addOption(
      new Option(
        '--agent-service-accounts <accounts>',
        'service accounts that may deliver, as NAMESPACE/NAME, separated by commas (kubernetes, keys)',
      )
        .env('FLOWTOLL_AGENT_SERVICE_ACCOUNTS')
        .argParser(parseList),
    )
    .addOption(
      new Option('--agent-keys <source>', 'URL or file of the keys (JWKS) of agents’ tokens (--agent-auth keys)')
        .env('FLOWTOLL_AGENT_KEYS')
        .argParser(parsePath),
    )
    .addOption(
      new Option('--agent-issuer <issuer>', 'issuer of agents’ tokens (--agent-auth keys)').env(
        'FLOWTOLL_AGENT_ISSUER',
      ),
    )
    .addOption(
      new Option('--insecure [on]', 'listen for other machines without TLS, or without asking who calls; for trials')
        .env('FLOWTOLL_INSECURE')
        .default(false)
        .preset('true')
        .argParser(parseSwitch),
    );
}
