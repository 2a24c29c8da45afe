// Lets programs inside a host of the laboratory reach a TCP port of this machine's loopback interface, without a wire between
// the two: the listening socket is made in there, connections on it are accepted out here. Bytes pass as they are.
import { connect, type Server, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import type { Lab } from '../lab.ts';

const LISTENER = fileURLToPath(new URL('./relay-listener.ts', import.meta.url));

export interface Relay {
  /** Ends what is open. */
  close(): void;
}

/** From now on 127.0.0.1:`port` inside the host is 127.0.0.1:`port` out here. */
export async function relayPort(lab: Lab, host: string, port: number): Promise<Relay> {
  const listener = lab.spawn(host, [process.execPath, LISTENER, String(port)], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const server = await new Promise<Server>((resolve, reject) => {
    listener.once('message', (_message, handle) => resolve(handle as Server));
    listener.once('exit', (code, signal) => reject(new Error(`relay into ${host}: ended with ${signal ?? code}`)));
    listener.once('error', reject);
  });
  // It has the socket, too, as long as it lives.
  listener.kill('SIGKILL');
  const open = new Set<Socket>();
  server.on('connection', (inner: Socket) => {
    const outer = connect(port, '127.0.0.1');
    for (const [socket, other] of [
      [inner, outer],
      [outer, inner],
    ] as const) {
      open.add(socket);
      socket.pipe(other);
      // Its end or its failure is the other's end.
      socket.on('error', () => undefined);
      socket.on('close', () => {
        open.delete(socket);
        other.destroy();
      });
    }
  });
  return {
    close: () => {
      server.close();
      for (const socket of open) socket.destroy();
    },
  };
}
