"""One process per network namespace that sends and answers traffic of known size.

Reads one JSON command a line from standard input, answers one JSON line each on standard output, ends with its input.
Commands: {"id", "op": "listen", "addresses", "ports"} and {"id", "op": "run", "connections"}; {"id", "op": "open",
"gate"}, for which exchanges may wait. All sizes are bytes of application payload. Raw SCTP is spoken here because few kernels of test machines have it: enough of RFC 9260 for a
tracker to accept it, not a transport (nothing is sent again).
"""

import asyncio
import itertools
import json
import socket
import struct
import sys

HEADER = struct.Struct("!4sQQB")  # magic, request bytes with this header, response bytes, flags
MAGIC = b"FTL1"
SERVER_CLOSES = 1
CHUNK = bytes(1 << 20)
DATAGRAM = 1200
TIMEOUT_S = 20.0
ICMP = {socket.AF_INET: (socket.IPPROTO_ICMP, 8, 0), socket.AF_INET6: (socket.IPPROTO_ICMPV6, 128, 129)}
SCTP = 132


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def open_socket(address, kind, protocol=0, port=0, options=()):
    sock = socket.socket(family_of(address), kind, protocol)
    sock.setblocking(False)
    for level, name, value in options:
        sock.setsockopt(level, name, value)
    sock.bind((address, port))
    return sock


# --- TCP ---------------------------------------------------------------------------------------------------------------


async def receive_exactly(loop, sock, count):
    """Receives `count` bytes; the first ones (up to 64) are given back. None at the end of the stream."""
    head = b""
    buffer = bytearray(min(max(count, 1), 1 << 18))
    while count > 0:
        got = await loop.sock_recv_into(sock, memoryview(buffer)[: min(count, len(buffer))])
        if got == 0:
            return None
        if len(head) < 64:
            head += bytes(buffer[: min(got, 64)])
        count -= got
    return head


async def send_zeros(loop, sock, count):
    while count > 0:
        part = min(count, len(CHUNK))
        await loop.sock_sendall(sock, memoryview(CHUNK)[:part])
        count -= part


async def serve_tcp_connection(loop, sock):
    try:
        while (head := await receive_exactly(loop, sock, HEADER.size)) is not None:
            _, request, response, flags = HEADER.unpack(head)
            if request > HEADER.size and await receive_exactly(loop, sock, request - HEADER.size) is None:
                return
            await send_zeros(loop, sock, response)
            if flags & SERVER_CLOSES:
                sock.shutdown(socket.SHUT_WR)
                await receive_exactly(loop, sock, 1)
                return
    except ConnectionError:
        pass
    finally:
        sock.close()


async def accept_tcp(loop, listener, tasks):
    while True:
        sock, _ = await loop.sock_accept(listener)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        task = loop.create_task(serve_tcp_connection(loop, sock))
        tasks.add(task)
        task.add_done_callback(tasks.discard)


GATES = {}


async def pause(exchange):
    """Waits as an exchange asks: for a gate to be opened (command "open"), then for a time."""
    if "gate" in exchange:
        await GATES.setdefault(exchange["gate"], asyncio.Event()).wait()
    await asyncio.sleep(exchange["pauseMs"] / 1000)


async def run_tcp(loop, spec, result):
    sock = open_socket(spec["source"], socket.SOCK_STREAM, options=[(socket.IPPROTO_IP, 24, 1)])
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await loop.sock_connect(sock, (spec["destination"], spec["port"]))
        result["sourcePort"] = sock.getsockname()[1]
        last = len(spec["exchanges"]) - 1
        for i, exchange in enumerate(spec["exchanges"]):
            await pause(exchange)
            flags = SERVER_CLOSES if i == last and spec["close"] == "server" else 0
            header = HEADER.pack(MAGIC, exchange["send"], exchange["receive"], flags)
            if exchange["send"] <= len(CHUNK):
                await loop.sock_sendall(sock, header + CHUNK[: exchange["send"] - HEADER.size])
            else:
                await loop.sock_sendall(sock, header)
                await send_zeros(loop, sock, exchange["send"] - HEADER.size)
            result["sent"] += exchange["send"]
            if exchange["receive"] and await receive_exactly(loop, sock, exchange["receive"]) is None:
                raise ConnectionError("the server closed early")
            result["received"] += exchange["receive"]
        if spec["close"] == "server":
            await receive_exactly(loop, sock, 1)
        elif spec["close"] == "reset":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    finally:
        sock.close()


# --- UDP ---------------------------------------------------------------------------------------------------------------


def serve_udp(loop, sock):
    try:
        while True:
            data, peer = sock.recvfrom(65536)
            if data[:4] != MAGIC:
                continue
            left = HEADER.unpack_from(data)[2]
            while left > 0:
                part = min(left, DATAGRAM)
                sock.sendto(memoryview(CHUNK)[:part], peer)
                left -= part
    except BlockingIOError:
        pass


async def run_udp(loop, spec, result):
    big = [(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)]
    sock = open_socket(spec["source"], socket.SOCK_DGRAM, options=big)
    try:
        sock.connect((spec["destination"], spec["port"]))
        result["sourcePort"] = sock.getsockname()[1]
        for exchange in spec["exchanges"]:
            await pause(exchange)
            header = HEADER.pack(MAGIC, exchange["send"], exchange["receive"], 0)
            await loop.sock_sendall(sock, header + CHUNK[: exchange["send"] - HEADER.size])
            result["sent"] += exchange["send"]
            left = exchange["receive"]
            while left > 0:
                left -= len(await loop.sock_recv(sock, 65536))
            result["received"] += exchange["receive"]
    finally:
        sock.close()


# --- ICMP and ICMPv6 echo; the other side's kernel answers ---------------------------------------------------------------


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class Raw:
    """The raw sockets of a namespace: one per address and protocol; hands packets to whoever waits for them."""

    def __init__(self, loop):
        self.loop = loop
        self.sockets = {}
        self.waiting = {}
        self.numbers = itertools.count(1)

    def socket(self, address, protocol, on_packet):
        key = (address, protocol)
        if key not in self.sockets:
            options = [(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)]
            sock = open_socket(address, socket.SOCK_RAW, protocol, options=options)
            self.sockets[key] = sock
            self.loop.add_reader(sock, self.drain, sock, on_packet)
        return self.sockets[key]

    def drain(self, sock, on_packet):
        try:
            while True:
                data, peer = sock.recvfrom(65536)
                if sock.family == socket.AF_INET:
                    data = data[(data[0] & 15) * 4 :]
                on_packet(sock, data, peer[0])
        except BlockingIOError:
            pass

    def on_echo(self, sock, data, peer):
        reply = ICMP[sock.family][2]
        kind, _, _, ident, seq = struct.unpack_from("!BBHHH", data)
        waiter = self.waiting.get(("echo", ident, seq)) if kind == reply else None
        if waiter and not waiter.done():
            waiter.set_result(len(data) - 8)

    async def run_echo(self, spec, result):
        family = family_of(spec["source"])
        protocol, request, _ = ICMP[family]
        sock = self.socket(spec["source"], protocol, self.on_echo)
        ident = next(self.numbers) & 0xFFFF
        for seq, exchange in enumerate(spec["exchanges"]):
            await pause(exchange)
            body = CHUNK[: exchange["send"]]
            packet = struct.pack("!BBHHH", request, 0, 0, ident, seq) + body
            if family == socket.AF_INET:
                packet = struct.pack("!BBHHH", request, 0, checksum(packet), ident, seq) + body
            waiter = self.waiting[("echo", ident, seq)] = self.loop.create_future()
            sock.sendto(packet, (spec["destination"], 0))
            result["sent"] += exchange["send"]
            result["received"] += await waiter
            del self.waiting[("echo", ident, seq)]


# --- SCTP over raw sockets (RFC 9260) -------------------------------------------------------------------------------------

CRC32C = []
for _byte in range(256):
    for _ in range(8):
        _byte = (_byte >> 1) ^ (0x82F63B78 if _byte & 1 else 0)
    CRC32C.append(_byte)

DATA, INIT, INIT_ACK, SACK, SHUTDOWN, SHUTDOWN_ACK, COOKIE_ECHO, COOKIE_ACK, SHUTDOWN_COMPLETE = 0, 1, 2, 3, 7, 8, 10, 11, 14
TSN = 1000
SCTP_PART = 1000


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = CRC32C[(crc ^ byte) & 255] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


def sctp_packet(sport, dport, tag, kind, body=b"", flags=0):
    chunk = struct.pack("!BBH", kind, flags, 4 + len(body)) + body
    chunk += bytes(-len(chunk) % 4)
    head = struct.pack("!HHI", sport, dport, tag)
    return head + struct.pack("<I", crc32c(head + bytes(4) + chunk)) + chunk


def init_body(tag, cookie=b""):
    parameter = struct.pack("!HH", 7, 4 + len(cookie)) + cookie if cookie else b""
    return struct.pack("!IIHHI", tag, 1 << 20, 4, 4, TSN) + parameter


def data_packets(sport, dport, tag, payload_bytes, head=b""):
    tsn = TSN
    while payload_bytes > 0:
        part = min(payload_bytes, SCTP_PART)
        body = struct.pack("!IHHI", tsn, 0, tsn - TSN, 0) + head + CHUNK[: part - len(head)]
        yield sctp_packet(sport, dport, tag, DATA, body, 3)
        payload_bytes -= part
        head = b""
        tsn += 1


class Sctp:
    def __init__(self, raw):
        self.raw = raw
        self.ports = set()
        self.peers = {}
        self.clients = {}
        self.next_port = itertools.cycle(range(40000, 60000))

    def on_packet(self, sock, data, peer):
        sport, dport, tag, _ = struct.unpack_from("!HHII", data)
        kind, _, length = struct.unpack_from("!BBH", data, 12)
        body = data[16 : 12 + length]
        if dport in self.ports:
            self.serve(sock, peer, sport, dport, kind, body)
        elif (waiter := self.clients.get(dport)) is not None:
            waiter.put_nowait((kind, body))

    def serve(self, sock, peer, sport, dport, kind, body):
        def send(packet):
            sock.sendto(packet, (peer, 0))

        key = (peer, sport, dport)
        if kind == INIT:
            self.peers[key] = struct.unpack_from("!I", body)[0]
            send(sctp_packet(dport, sport, self.peers[key], INIT_ACK, init_body(0x5E5E5E5E, b"flowtoll")))
            return
        tag = self.peers.get(key)
        if tag is None:
            return
        if kind == COOKIE_ECHO:
            send(sctp_packet(dport, sport, tag, COOKIE_ACK))
        elif kind == DATA and body[12:16] == MAGIC:
            send(sctp_packet(dport, sport, tag, SACK, struct.pack("!IIHH", TSN, 1 << 20, 0, 0)))
            for packet in data_packets(dport, sport, tag, HEADER.unpack_from(body, 12)[2]):
                send(packet)
        elif kind == SHUTDOWN:
            send(sctp_packet(dport, sport, tag, SHUTDOWN_ACK))
        elif kind == SHUTDOWN_COMPLETE:
            del self.peers[key]

    async def run(self, spec, result):
        sock = self.raw.socket(spec["source"], SCTP, self.on_packet)
        sport, dport = next(self.next_port), spec["port"]
        inbox = self.clients[sport] = asyncio.Queue()
        tag = 0

        def send(packet):
            sock.sendto(packet, (spec["destination"], 0))

        async def expect(kind):
            while (message := await inbox.get())[0] != kind:
                pass
            return message[1]

        try:
            result["sourcePort"] = sport
            send(sctp_packet(sport, dport, 0, INIT, init_body(0xC0FFEE)))
            answer = await expect(INIT_ACK)
            tag = struct.unpack_from("!I", answer)[0]
            send(sctp_packet(sport, dport, tag, COOKIE_ECHO, answer[20:]))
            await expect(COOKIE_ACK)
            for exchange in spec["exchanges"]:
                await pause(exchange)
                head = HEADER.pack(MAGIC, exchange["send"], exchange["receive"], 0)
                for packet in data_packets(sport, dport, tag, exchange["send"], head):
                    send(packet)
                result["sent"] += exchange["send"]
                left = exchange["receive"]
                while left > 0:
                    left -= len(await expect(DATA)) - 12
                result["received"] += exchange["receive"]
                send(sctp_packet(sport, dport, tag, SACK, struct.pack("!IIHH", TSN, 1 << 20, 0, 0)))
            send(sctp_packet(sport, dport, tag, SHUTDOWN, struct.pack("!I", TSN)))
            await expect(SHUTDOWN_ACK)
            send(sctp_packet(sport, dport, tag, SHUTDOWN_COMPLETE))
        finally:
            del self.clients[sport]


# --- commands -----------------------------------------------------------------------------------------------------------


class Helper:
    def __init__(self, loop):
        self.loop = loop
        self.raw = Raw(loop)
        self.sctp = Sctp(self.raw)
        self.tasks = set()

    def listen(self, command):
        for address in command["addresses"]:
            for port in command["ports"]:
                reuse = [(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)]
                tcp = open_socket(address, socket.SOCK_STREAM, port=port, options=reuse)
                tcp.listen(4096)
                self.tasks.add(self.loop.create_task(accept_tcp(self.loop, tcp, self.tasks)))
                big = [(socket.SOL_SOCKET, name, 4 << 20) for name in (socket.SO_RCVBUF, socket.SO_SNDBUF)]
                udp = open_socket(address, socket.SOCK_DGRAM, port=port, options=big)
                self.loop.add_reader(udp, serve_udp, self.loop, udp)
                self.sctp.ports.add(port)
            self.raw.socket(address, SCTP, self.sctp.on_packet)
        return {}

    async def connection(self, spec):
        result = {"index": spec["index"], "sent": 0, "received": 0}
        protocols = {
            "tcp": lambda: run_tcp(self.loop, spec, result),
            "udp": lambda: run_udp(self.loop, spec, result),
            "icmp": lambda: self.raw.run_echo(spec, result),
            "sctp": lambda: self.sctp.run(spec, result),
        }
        await asyncio.sleep(spec["atMs"] / 1000)
        limit = spec.get("timeoutMs", TIMEOUT_S * 1000) / 1000
        try:
            await asyncio.wait_for(protocols[spec["protocol"]](), limit)
        except asyncio.TimeoutError:
            result["error"] = f"no end within {limit} s"
        except OSError as error:
            result["error"] = repr(error)
        return result

    async def answer(self, line):
        command = json.loads(line)
        reply = {"id": command["id"]}
        try:
            if command["op"] == "listen":
                reply.update(self.listen(command))
            elif command["op"] == "open":
                GATES.setdefault(command["gate"], asyncio.Event()).set()
            else:
                reply["results"] = await asyncio.gather(*map(self.connection, command["connections"]))
        except Exception as error:  # whatever went wrong, the caller must hear of it
            reply["error"] = repr(error)
        sys.stdout.write(json.dumps(reply) + "\n")
        sys.stdout.flush()


async def main():
    loop = asyncio.get_running_loop()
    helper = Helper(loop)
    reader = asyncio.StreamReader(limit=1 << 28)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        task = loop.create_task(helper.answer(line))
        helper.tasks.add(task)
        task.add_done_callback(helper.tasks.discard)


asyncio.run(main())
