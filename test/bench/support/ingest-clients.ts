// The agents of the ingest benchmark: each replays its prepared batches on a stream of its own, as fast as they are
// acknowledged. Answers each line of its input with the number of flows that are acknowledged; ends when its input does.
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { create } from '@bufbuild/protobuf';
import { createOpenLink, type IngestLink, type OpenLink } from '@flowtoll/agent/exporter/ingest-link.ts';
import { HelloSchema } from '@flowtoll/proto';
import { batchBytes, type PreparedAgent, readBatchFile } from './batch-file.ts';

/** Batches of one agent under way. */
const IN_FLIGHT = 2;

const { values } = parseArgs({ options: { address: { type: 'string' }, batches: { type: 'string' } } });

// All windows of one day, so that a commit is one file.
const startMs = Math.floor(Date.now() / 86_400_000) * 86_400_000;
const openLink = createOpenLink(values.address!);
let acknowledgedFlows = 0;
const links = readBatchFile(values.batches!).map((agent) => replay(agent, openLink));

for await (const _ of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify({ flows: acknowledgedFlows })}\n`);
}
for (const link of links) link.close();

function replay(agent: PreparedAgent, open: OpenLink): IngestLink {
  let sent = 0;
  let acknowledged = 0;
  const pump = () => {
    while (sent - acknowledged < IN_FLIGHT) link.sendBatch(batchBytes(agent, ++sent, startMs));
  };
  const link = open({
    onWelcome: pump,
    onAcknowledgement: ({ sequence }) => {
      for (; acknowledged < Number(sequence); acknowledged++) {
        acknowledgedFlows += agent.batches[(acknowledged + 1) % agent.batches.length]!.flowCount;
      }
      pump();
    },
    onThrottle: () => undefined,
    onDrain: () => undefined,
    onEnd: ({ details }) => {
      throw new Error(`${agent.node}: ${details}`);
    },
  });
  const { node, epoch } = agent;
  link.sendHello(create(HelloSchema, { protocolVersion: 1, agentVersion: 'bench', node, epoch }));
  return link;
}
