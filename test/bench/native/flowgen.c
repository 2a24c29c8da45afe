/* Makes real conntrack entries out of real packets: four of five are TCP connections (handshake, a request, an answer),
 * one of five is UDP with an answer, so that entries are assured and count in both directions. The namespace's
 * timeouts must be long: nothing here keeps an entry alive.
 *
 * Commands: make N    entries up to N in all (those that exist stay)
 *           touch     one more request and answer on every entry: all counters change
 *           touch M   the same, on the first M entries only
 * Answer:   entries; packets and L3 bytes of this command, wallNs, cpuNs. Argument 6: IPv6 instead of IPv4. */
#include "packets.h"

enum { REQUEST_BYTES = 100, ANSWER_BYTES = 200, CLIENT_START = 1000, SERVER_START = 2000 };

static struct sender sender;
static uint8_t *exchanges; /* by entry: requests and answers so far */

static int is_udp(uint64_t index) { return index % 5 == 4; }

static void exchange(uint64_t index) {
  struct flow f = flow_of(index);
  uint32_t n = exchanges[index]++;
  if (is_udp(index)) {
    send_udp(&sender, &f, 0, REQUEST_BYTES);
    send_udp(&sender, &f, 1, ANSWER_BYTES);
    return;
  }
  uint32_t client = CLIENT_START + 1 + n * REQUEST_BYTES, server = SERVER_START + 1 + n * ANSWER_BYTES;
  send_tcp(&sender, &f, 0, TH_PUSH | TH_ACK, client, server, REQUEST_BYTES);
  send_tcp(&sender, &f, 1, TH_PUSH | TH_ACK, server, client + REQUEST_BYTES, ANSWER_BYTES);
}

static void make(uint64_t index) {
  if (!is_udp(index)) {
    struct flow f = flow_of(index);
    send_tcp(&sender, &f, 0, TH_SYN, CLIENT_START, 0, 0);
    send_tcp(&sender, &f, 1, TH_SYN | TH_ACK, SERVER_START, CLIENT_START + 1, 0);
    send_tcp(&sender, &f, 0, TH_ACK, CLIENT_START + 1, SERVER_START + 1, 0);
  }
  exchange(index);
}

int main(int argc, char **argv) {
  end_with_parent();
  sender_open(&sender, argc > 1 && argv[1][0] == '6');
  uint64_t entries = 0;
  char line[128], *words[2];
  while (next_command(line, sizeof line, words, 2)) {
    uint64_t wall = wall_ns(), cpu = cpu_ns(), packets = sender.packets, bytes = sender.bytes;
    uint64_t count = strtoull(words[1], NULL, 10);
    if (!strcmp(words[0], "make")) {
      if (count > entries) {
        exchanges = realloc(exchanges, count);
        if (!exchanges) die("realloc");
        memset(exchanges + entries, 0, count - entries);
      }
      for (; entries < count; entries++) make(entries);
    } else if (!strcmp(words[0], "touch")) {
      uint64_t end = count && count < entries ? count : entries;
      for (uint64_t i = 0; i < end; i++) exchange(i);
    } else {
      fprintf(stderr, "flowgen: unknown command %s\n", words[0]);
      return 1;
    }
    sender_flush(&sender);
    printf("{\"entries\":%lu,\"packets\":%lu,\"bytes\":%lu,\"wallNs\":%lu,\"cpuNs\":%lu}\n", entries,
           sender.packets - packets, sender.bytes - bytes, wall_ns() - wall, cpu_ns() - cpu);
  }
  return 0;
}
