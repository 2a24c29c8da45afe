"""Plays Cilium's side of its conntrack maps: makes them for real (bpf(2), LRU hashes pinned on a bpffs of its own), writes
and removes entries as Cilium's programs and its collector do.

Reads one JSON command a line from standard input, answers one JSON line each on standard output, ends with its input, and
takes its mount with it. Structures after Cilium's bpf/lib/common.h; written without a look at the product's reader.

Left out: Cilium itself. No packet makes an entry here, and the kernel's LRU evicts only what a test makes it evict.
"""

import ctypes
import ipaddress
import json
import os
import platform
import struct
import subprocess
import sys

LIBC = ctypes.CDLL(None, use_errno=True)
SYS_BPF = 321 if platform.machine() == "x86_64" else 280
MAP_CREATE, MAP_UPDATE_ELEM, MAP_DELETE_ELEM, OBJ_PIN = 0, 2, 3, 6
LRU_HASH = 9
# struct ipv4_ct_tuple, ipv6_ct_tuple: { daddr, saddr, dport, sport, nexthdr, flags }, packed, network order
KEY = {4: struct.Struct("!4s4sHHBB"), 6: struct.Struct("!16s16sHHBB")}
# struct ct_entry until 1.15: rx_packets, rx_bytes, tx_packets, tx_bytes, lifetime, flags, rev_nat_index, ifindex,
# tx_flags_seen, rx_flags_seen, src_sec_id, last_tx_report, last_rx_report
DIRECTIONAL = struct.Struct("<QQQQIHHHBBIII")
# from 1.16 on: nat_addr or (reserved, backend_id), packets, bytes, …
MERGED = struct.Struct("<QQQQIHHHBBIII")
KEY_FLAGS = {"out": 0, "in": 1, "related": 2, "service": 4}
RX_CLOSING, TX_CLOSING, SEEN_NON_SYN = 1, 2, 16

maps = {}


def bpf(command, attributes):
    buffer = ctypes.create_string_buffer(attributes, len(attributes))
    result = LIBC.syscall(SYS_BPF, command, buffer, len(attributes))
    if result < 0:
        raise OSError(ctypes.get_errno(), f"bpf({command}): {os.strerror(ctypes.get_errno())}")
    return result


def pointer(data):
    buffer = ctypes.create_string_buffer(data, len(data))
    return buffer, ctypes.addressof(buffer)


def create(path, family, entries, value_bytes):
    fd = bpf(MAP_CREATE, struct.pack("<IIII", LRU_HASH, KEY[family].size, value_bytes, entries) + bytes(56))
    if os.path.lexists(path):
        os.unlink(path)
    name, address = pointer(path.encode() + b"\0")
    bpf(OBJ_PIN, struct.pack("<QII", address, fd, 0))
    if path in maps:
        os.close(maps[path][0])
    maps[path] = (fd, family)


def key_of(entry, family):
    source, destination = (ipaddress.ip_address(entry[end]).packed for end in ("source", "destination"))
    # The tuple of a packet that leaves has its addresses swapped, and its ports not.
    return KEY[family].pack(
        source, destination, entry["destinationPort"], entry["sourcePort"], entry["protocol"], KEY_FLAGS[entry["kind"]]
    )


def value_of(entry):
    flags = SEEN_NON_SYN | (RX_CLOSING | TX_CLOSING if entry.get("closed") else 0)
    tail = (entry.get("lifetime", 0), flags, entry.get("revNat", 0), 0, 0, 0, 0, 0, 0)
    if "total" in entry:
        return MERGED.pack(entry.get("natAddress", 0), 0, *entry["total"], *tail)
    return DIRECTIONAL.pack(*entry["rx"], *entry["tx"], *tail)


def put(path, entries):
    fd, family = maps[path]
    for entry in entries:
        key, key_address = pointer(key_of(entry, family))
        value, value_address = pointer(value_of(entry))
        bpf(MAP_UPDATE_ELEM, struct.pack("<IIQQQ", fd, 0, key_address, value_address, 0))


def delete(path, entries):
    fd, family = maps[path]
    for entry in entries:
        key, key_address = pointer(key_of(entry, family))
        bpf(MAP_DELETE_ELEM, struct.pack("<IIQ", fd, 0, key_address))


def run(command):
    operation = command["op"]
    if operation == "create":
        create(command["path"], command["family"], command["entries"], command["valueBytes"])
    elif operation == "put":
        put(command["path"], command["put"])
    elif operation == "delete":
        delete(command["path"], command["delete"])
    elif operation == "unpin":
        os.unlink(command["path"])
    else:
        raise ValueError(f"unknown operation {operation}")


def main():
    directory = sys.argv[1]
    os.makedirs(directory, exist_ok=True)
    subprocess.run(["mount", "-t", "bpf", "flowtoll-test", directory], check=True)
    try:
        print(json.dumps({"ready": True}), flush=True)
        for line in sys.stdin:
            command = json.loads(line)
            try:
                run(command)
                answer = {"id": command["id"]}
            except Exception as error:  # pylint: disable=broad-except
                answer = {"id": command["id"], "error": repr(error)}
            print(json.dumps(answer), flush=True)
    finally:
        subprocess.run(["umount", "-l", directory], check=False)


main()
