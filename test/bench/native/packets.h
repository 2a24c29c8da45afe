/* Packets that a raw socket sends from spoofed addresses, in batches of one system call. They leave through LOCAL_OUT,
 * where conntrack sees them as it sees a host's own traffic; what the benchmark's namespace does with them afterwards
 * does not matter. Checksums stay 0: conntrack verifies them on arriving packets only. */
#ifndef FLOWTOLL_BENCH_PACKETS_H
#define FLOWTOLL_BENCH_PACKETS_H

#include "common.h"
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>

enum { PACKET_BATCH = 256, PACKET_SIZE_MAX = 512, IPV6_HEADER_INCLUDED = 36 };

/* Entry `index` belongs to one of 20,000 groups of client, server and service port; within a group the client's port
 * tells the entries apart. A client has 60,000 ports, which makes 1.2e9 entries. */
enum { CLIENTS = 100, SERVERS = 50, SERVICES = 4, GROUPS = CLIENTS * SERVERS * SERVICES, CLIENT_PORTS = 60000 };

struct flow {
  uint16_t client, server, client_port, server_port;
};

static UNUSED struct flow flow_of(uint64_t index) {
  static const uint16_t services[SERVICES] = {80, 443, 5432, 9090};
  uint32_t group = (uint32_t)(index % GROUPS);
  return (struct flow){
      .client = (uint16_t)(group % CLIENTS),
      .server = (uint16_t)(group / CLIENTS % SERVERS),
      .client_port = (uint16_t)(1024 + index / GROUPS % CLIENT_PORTS),
      .server_port = services[group / CLIENTS / SERVERS],
  };
}

struct sender {
  int fd, v6, count;
  uint64_t packets, bytes;
  struct mmsghdr messages[PACKET_BATCH];
  struct iovec parts[PACKET_BATCH];
  union {
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
  } targets[PACKET_BATCH];
  uint8_t data[PACKET_BATCH][PACKET_SIZE_MAX];
};

static UNUSED void sender_open(struct sender *s, int v6) {
  memset(s, 0, sizeof *s);
  s->v6 = v6;
  s->fd = socket(v6 ? AF_INET6 : AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
  if (s->fd < 0) die("socket(SOCK_RAW)");
  int one = 1;
  if (v6 && setsockopt(s->fd, IPPROTO_IPV6, IPV6_HEADER_INCLUDED, &one, sizeof one) < 0) die("IPV6_HDRINCL");
  for (int i = 0; i < PACKET_BATCH; i++) {
    s->parts[i].iov_base = s->data[i];
    s->messages[i].msg_hdr = (struct msghdr){
        .msg_name = &s->targets[i],
        .msg_namelen = v6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in),
        .msg_iov = &s->parts[i],
        .msg_iovlen = 1,
    };
  }
}

static UNUSED void sender_flush(struct sender *s) {
  for (int sent = 0; sent < s->count;) {
    int n = sendmmsg(s->fd, s->messages + sent, (unsigned)(s->count - sent), 0);
    if (n < 0 && errno != EINTR && errno != ENOBUFS && errno != EAGAIN) die("sendmmsg");
    if (n > 0) sent += n;
  }
  s->count = 0;
}

/* IPv4 10.64.x.1 → 10.96.x.1, IPv6 fd00:64::x → fd00:96::x; returns the place of the transport header. */
static UNUSED uint8_t *sender_packet(struct sender *s, const struct flow *f, int reply, int protocol, int transport_size) {
  if (s->count == PACKET_BATCH) sender_flush(s);
  int slot = s->count++;
  uint8_t *packet = s->data[slot];
  int header_size = s->v6 ? 40 : 20, total = header_size + transport_size;
  memset(packet, 0, (size_t)header_size + 20);
  s->parts[slot].iov_len = (size_t)total;
  s->packets++;
  s->bytes += (uint64_t)total;
  if (s->v6) {
    struct ip6_hdr *ip = (void *)packet;
    ip->ip6_flow = htonl(6u << 28);
    ip->ip6_plen = htons((uint16_t)transport_size);
    ip->ip6_nxt = (uint8_t)protocol;
    ip->ip6_hops = 64;
    struct in6_addr client = {.s6_addr = {0xfd, 0, 0, 0x64}}, server = {.s6_addr = {0xfd, 0, 0, 0x96}};
    client.s6_addr[15] = (uint8_t)(f->client + 1);
    server.s6_addr[15] = (uint8_t)(f->server + 1);
    ip->ip6_src = reply ? server : client;
    ip->ip6_dst = reply ? client : server;
    s->targets[slot].v6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_addr = ip->ip6_dst};
    return packet + 40;
  }
  struct iphdr *ip = (void *)packet;
  uint32_t client = htonl(0x0a400001u | (uint32_t)f->client << 8), server = htonl(0x0a600001u | (uint32_t)f->server << 8);
  ip->version = 4;
  ip->ihl = 5;
  ip->id = 1; /* 0 would have the kernel choose one, which costs */
  ip->tot_len = htons((uint16_t)total);
  ip->ttl = 64;
  ip->protocol = (uint8_t)protocol;
  ip->saddr = reply ? server : client;
  ip->daddr = reply ? client : server;
  s->targets[slot].v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = ip->daddr};
  return packet + 20;
}

static UNUSED void send_tcp(struct sender *s, const struct flow *f, int reply, int flags, uint32_t seq, uint32_t ack, int payload) {
  struct tcphdr *tcp = (void *)sender_packet(s, f, reply, IPPROTO_TCP, 20 + payload);
  tcp->source = htons(reply ? f->server_port : f->client_port);
  tcp->dest = htons(reply ? f->client_port : f->server_port);
  tcp->seq = htonl(seq);
  tcp->ack_seq = htonl(ack);
  tcp->doff = 5;
  ((uint8_t *)tcp)[13] = (uint8_t)flags;
  tcp->window = htons(65535);
}

static UNUSED void send_udp(struct sender *s, const struct flow *f, int reply, int payload) {
  struct udphdr *udp = (void *)sender_packet(s, f, reply, IPPROTO_UDP, 8 + payload);
  udp->source = htons(reply ? f->server_port : f->client_port);
  udp->dest = htons(reply ? f->client_port : f->server_port);
  udp->len = htons((uint16_t)(8 + payload));
}

#endif
