// Runs inside a namespace of the laboratory: listens on the loopback interface there, and hands the socket to the process that
// started this one, which accepts on it from then on. `node relay-listener.ts PORT`.
import { createServer } from 'node:net';

const server = createServer();
server.listen(Number(process.argv[2]), '127.0.0.1', () => process.send!('listening', server));
