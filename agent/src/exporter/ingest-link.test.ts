import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { create } from '@bufbuild/protobuf';
import { HelloSchema } from '@flowtoll/proto';
import { expect, test } from 'vitest';
import { createOpenLink, type LinkEnd } from './ingest-link.ts';

const UNAVAILABLE = 14;
/** What an HTTP/2 server says first: a SETTINGS frame without settings. */
const SETTINGS = Uint8Array.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);

test('a peer that falls silent on an open connection is noticed, and the link ends', async () => {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => undefined);
    socket.write(SETTINGS);
    socket.resume(); // takes everything, and never says anything again
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  try {
    const end = await new Promise<LinkEnd>((resolve) => {
      const none = () => undefined;
      const handlers = { onWelcome: none, onAcknowledgement: none, onThrottle: none, onDrain: none, onEnd: resolve };
      createOpenLink(`127.0.0.1:${port}`, { keepaliveMs: 500 })(handlers).sendHello(create(HelloSchema));
    });
    expect(end.code).toBe(UNAVAILABLE);
    expect(sockets.map(({ destroyed }) => destroyed)).toEqual([false]);
  } finally {
    for (const socket of sockets) socket.destroy();
    server.close();
  }
}, 10_000);
