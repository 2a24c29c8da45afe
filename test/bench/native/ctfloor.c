/* The floor that the agent's reader is measured against: a full ctnetlink dump that is received and thrown away. It
 * steps from message header to message header, because that is how a reader finds the end, and looks at nothing else.
 *
 * Command: dump [4|6|0]   answer: entries, bytes, reads, wallNs, userNs, systemNs, cpuNs */
#include "common.h"

enum { BUFFER_SIZE = 32 * 1024 };
static char buffer[BUFFER_SIZE];

struct totals {
  uint64_t entries, bytes, reads;
};

static struct totals drain(int fd) {
  struct totals t = {0};
  for (;;) {
    ssize_t received = recv(fd, buffer, BUFFER_SIZE, 0);
    if (received < 0) {
      if (errno == EINTR) continue;
      die("recv");
    }
    t.reads++;
    t.bytes += (uint64_t)received;
    int left = (int)received;
    for (struct nlmsghdr *m = (void *)buffer; NLMSG_OK(m, left); m = NLMSG_NEXT(m, left)) {
      if (m->nlmsg_type == NLMSG_DONE) return t;
      if (m->nlmsg_type == NLMSG_ERROR) {
        errno = -*(int *)NLMSG_DATA(m);
        die("dump");
      }
      t.entries++;
    }
  }
}

int main(void) {
  end_with_parent();
  int fd = open_ctnetlink();
  char line[128], *words[2];
  while (next_command(line, sizeof line, words, 2)) {
    int family = words[1][0] == '6' ? AF_INET6 : words[1][0] == '4' ? AF_INET : 0;
    uint64_t wall = wall_ns(), cpu = cpu_ns(), user = user_ns();
    send_ctnetlink(fd, IPCTNL_MSG_CT_GET, NLM_F_DUMP, family);
    struct totals t = drain(fd);
    cpu = cpu_ns() - cpu;
    user = user_ns() - user;
    printf("{\"entries\":%lu,\"bytes\":%lu,\"reads\":%lu,\"wallNs\":%lu,\"userNs\":%lu,\"systemNs\":%lu,\"cpuNs\":%lu}\n",
           t.entries, t.bytes, t.reads, wall_ns() - wall, user, cpu > user ? cpu - user : 0, cpu);
  }
  return 0;
}
