/* Makes DESTROY events as fast as it can: a batch of entries, each from one UDP packet, then a ctnetlink flush, which
 * deletes them at the kernel's full speed; again and again. Every entry has counters and is destroyed exactly once, so
 * what a listener should hear of is known exactly. In reliable mode the kernel keeps entries whose event found no
 * room: the generator then waits for the table to drain below its limit, as a node's traffic would have to.
 *
 * Commands: run MS [BATCH]   create and destroy for MS milliseconds; in the end waits until the table is empty
 *           burst N          create N entries, then destroy them
 * Answer:   created, destroyed, bytes (L3, of the packets), remaining (still in the table), failed (kernel refused),
 *           wallNs (to the end of the last flush), cpuNs, stalledNs (waited for room in the table). */
#include "packets.h"
#include <fcntl.h>

enum { BATCH_DEFAULT = 50000, PAYLOAD_BYTES = 100, TABLE_MAX = 150000, WAIT_NS = 200000, DRAIN_WAITS_MAX = 100000 };

static struct sender sender;
static int netlink_fd, count_fd;
static uint64_t next_index;

static uint64_t table_count(void) {
  char text[32];
  ssize_t n = pread(count_fd, text, sizeof text - 1, 0);
  if (n < 0) die("nf_conntrack_count");
  text[n] = 0;
  return strtoull(text, NULL, 10);
}

/* Entries that conntrack refused to make, from every CPU's column of /proc/net/stat/nf_conntrack. */
static uint64_t table_failures(void) {
  FILE *file = fopen("/proc/net/stat/nf_conntrack", "r");
  if (!file) die("/proc/net/stat/nf_conntrack");
  char line[1024], *rest, *name;
  uint64_t failures = 0;
  int wanted[32] = {0}, columns = 0;
  if (fgets(line, sizeof line, file)) {
    for (rest = line; (name = strtok_r(rest, " \n", &rest)) && columns < 32; columns++)
      wanted[columns] = !strcmp(name, "insert_failed") || !strcmp(name, "drop") || !strcmp(name, "early_drop");
  }
  while (fgets(line, sizeof line, file)) {
    rest = line;
    for (int i = 0; i < columns && (name = strtok_r(rest, " \n", &rest)); i++)
      if (wanted[i]) failures += strtoull(name, NULL, 16);
  }
  fclose(file);
  return failures;
}

static void create(uint64_t count) {
  for (uint64_t end = next_index + count; next_index < end; next_index++) {
    struct flow f = flow_of(next_index);
    send_udp(&sender, &f, 0, PAYLOAD_BYTES);
  }
  sender_flush(&sender);
}

static void destroy_all(void) {
  char answer[256];
  send_ctnetlink(netlink_fd, IPCTNL_MSG_CT_DELETE, NLM_F_ACK, 0);
  if (recv(netlink_fd, answer, sizeof answer, 0) < 0) die("recv(flush)");
}

static void wait_a_little(void) {
  struct timespec pause = {.tv_nsec = WAIT_NS};
  nanosleep(&pause, NULL);
}

int main(void) {
  end_with_parent();
  sender_open(&sender, 0);
  netlink_fd = open_ctnetlink();
  count_fd = open("/proc/sys/net/netfilter/nf_conntrack_count", O_RDONLY | O_CLOEXEC);
  if (count_fd < 0) die("nf_conntrack_count");
  char line[128], *words[3];
  while (next_command(line, sizeof line, words, 3)) {
    uint64_t first = next_index, bytes = sender.bytes, failures = table_failures(), stalled = 0;
    uint64_t wall = wall_ns(), cpu = cpu_ns(), argument = strtoull(words[1], NULL, 10);
    if (!strcmp(words[0], "burst")) {
      create(argument);
      destroy_all();
    } else if (!strcmp(words[0], "run")) {
      uint64_t end = wall + argument * 1000000, batch = strtoull(words[2], NULL, 10);
      if (!batch) batch = BATCH_DEFAULT;
      while (wall_ns() < end) {
        uint64_t waiting = wall_ns();
        while (table_count() + batch > TABLE_MAX && wall_ns() < end) wait_a_little();
        stalled += wall_ns() - waiting;
        create(batch);
        destroy_all();
      }
    } else {
      fprintf(stderr, "evgen: unknown command %s\n", words[0]);
      return 1;
    }
    wall = wall_ns() - wall;
    cpu = cpu_ns() - cpu;
    uint64_t remaining;
    for (int waits = 0; (remaining = table_count()) && waits < DRAIN_WAITS_MAX; waits++) wait_a_little();
    failures = table_failures() - failures;
    uint64_t created = next_index - first - failures;
    printf("{\"created\":%lu,\"destroyed\":%lu,\"bytes\":%lu,\"remaining\":%lu,\"failed\":%lu,\"wallNs\":%lu,\"cpuNs\":%lu,"
           "\"stalledNs\":%lu}\n",
           created, created - remaining, sender.bytes - bytes, remaining, failures, wall, cpu, stalled);
  }
  return 0;
}
