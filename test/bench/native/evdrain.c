/* The floor of event reading: a DESTROY listener that counts messages and throws them away.
 *
 * Arguments: receive buffer in bytes (forced), reliable|lossy, live|poll|backlog.
 *   live      a thread reads with recvmmsg as events come
 *   poll      a thread reads what is queued each 20 ms, as the agent does: cheaper, for nobody wakes it per event
 *   backlog   each command reads what is queued, without waiting
 * Command: stat
 * Answer: events, reads, bytes, overruns (ENOBUFS seen), drops (the kernel's own count), cpuNs; all since the start. */
#include "common.h"
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>

enum { SLOTS = 64, SLOT_SIZE = 1024, POLL_INTERVAL_NS = 20000000 };

static int fd;
static atomic_ulong events, reads, bytes, overruns;
static char buffers[SLOTS][SLOT_SIZE];
static struct mmsghdr messages[SLOTS];
static struct iovec parts[SLOTS];

/* Messages read; 0 when there is none and `flags` say not to wait. */
static int read_some(int flags) {
  int n = recvmmsg(fd, messages, SLOTS, flags, NULL);
  if (n < 0) {
    if (errno == EAGAIN) return 0;
    if (errno == EINTR) return 1;
    if (errno != ENOBUFS) die("recvmmsg");
    overruns++;
    return 1;
  }
  uint64_t count = 0, size = 0;
  for (int i = 0; i < n; i++) {
    int left = (int)messages[i].msg_len;
    size += messages[i].msg_len;
    for (struct nlmsghdr *m = (void *)buffers[i]; NLMSG_OK(m, left); m = NLMSG_NEXT(m, left))
      if (m->nlmsg_type == ((NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_DELETE)) count++;
  }
  events += count;
  bytes += size;
  reads++;
  return n;
}

static void *poll_forever(void *unused) {
  (void)unused;
  struct timespec pause = {.tv_nsec = POLL_INTERVAL_NS};
  for (;;) {
    while (read_some(MSG_DONTWAIT)) continue;
    nanosleep(&pause, NULL);
  }
  return NULL;
}

static void *read_forever(void *unused) {
  (void)unused;
  for (;;) read_some(MSG_WAITFORONE);
  return NULL;
}

/* The Drops column of our socket in /proc/net/netlink; the socket is known by its inode. */
static uint64_t drops(void) {
  struct stat self;
  if (fstat(fd, &self) < 0) die("fstat");
  FILE *file = fopen("/proc/net/netlink", "r");
  if (!file) die("/proc/net/netlink");
  char line[512];
  uint64_t found = 0;
  while (fgets(line, sizeof line, file)) {
    unsigned long drop, inode;
    if (sscanf(line, "%*s %*s %*s %*s %*s %*s %*s %*s %lu %lu", &drop, &inode) == 2 && inode == self.st_ino) found = drop;
  }
  fclose(file);
  return found;
}

int main(int argc, char **argv) {
  end_with_parent();
  if (argc != 4) {
    fprintf(stderr, "usage: evdrain BUFFER_BYTES reliable|lossy live|poll|backlog\n");
    return 2;
  }
  fd = open_ctnetlink();
  int size = atoi(argv[1]), group = NFNLGRP_CONNTRACK_DESTROY, one = 1;
  if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) < 0) die("SO_RCVBUFFORCE");
  if (!strcmp(argv[2], "reliable") && setsockopt(fd, SOL_NETLINK, NETLINK_BROADCAST_ERROR, &one, sizeof one) < 0)
    die("NETLINK_BROADCAST_ERROR");
  if (setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) < 0) die("NETLINK_ADD_MEMBERSHIP");
  for (int i = 0; i < SLOTS; i++) {
    parts[i] = (struct iovec){.iov_base = buffers[i], .iov_len = SLOT_SIZE};
    messages[i].msg_hdr = (struct msghdr){.msg_iov = &parts[i], .msg_iovlen = 1};
  }
  pthread_t thread;
  int backlog = !strcmp(argv[3], "backlog");
  void *(*reader)(void *) = !strcmp(argv[3], "poll") ? poll_forever : read_forever;
  if (!backlog && pthread_create(&thread, NULL, reader, NULL)) die("pthread_create");
  printf("{\"ready\":true}\n");
  char line[128], *words[1];
  while (next_command(line, sizeof line, words, 1)) {
    if (backlog)
      while (read_some(MSG_DONTWAIT)) continue;
    printf("{\"events\":%lu,\"reads\":%lu,\"bytes\":%lu,\"overruns\":%lu,\"drops\":%lu,\"cpuNs\":%lu}\n", events, reads,
           bytes, overruns, drops(), cpu_ns());
  }
  return 0;
}
