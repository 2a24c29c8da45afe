/* What the benchmark's C programs share: clocks, a ctnetlink socket, the command loop. Each program reads one command a
 * line on standard input and answers one JSON object a line; end of input ends the program, the death of the benchmark
 * that started it does so even in the middle of a command. */
#ifndef FLOWTOLL_BENCH_COMMON_H
#define FLOWTOLL_BENCH_COMMON_H

#define _GNU_SOURCE
#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define UNUSED __attribute__((unused))

static UNUSED void die(const char *what) {
  fprintf(stderr, "%s: %s\n", what, strerror(errno));
  exit(1);
}

static UNUSED void end_with_parent(void) { prctl(PR_SET_PDEATHSIG, SIGKILL); }

static UNUSED uint64_t clock_ns(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static UNUSED uint64_t wall_ns(void) { return clock_ns(CLOCK_MONOTONIC); }

/* User and system time of the whole process, exact (the split of getrusage is sampled by ticks, their sum is not). */
static UNUSED uint64_t cpu_ns(void) { return clock_ns(CLOCK_PROCESS_CPUTIME_ID); }

static UNUSED uint64_t user_ns(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return (uint64_t)usage.ru_utime.tv_sec * 1000000000u + (uint64_t)usage.ru_utime.tv_usec * 1000u;
}

static UNUSED int open_ctnetlink(void) {
  int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
  if (fd < 0) die("socket(NETLINK_NETFILTER)");
  struct sockaddr_nl address = {.nl_family = AF_NETLINK};
  if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0) die("bind");
  return fd;
}

/* Sends a ctnetlink request without attributes. */
static UNUSED void send_ctnetlink(int fd, int operation, int flags, int family) {
  struct {
    struct nlmsghdr header;
    struct nfgenmsg body;
  } request = {
      .header = {.nlmsg_len = sizeof request,
                 .nlmsg_type = (NFNL_SUBSYS_CTNETLINK << 8) | operation,
                 .nlmsg_flags = NLM_F_REQUEST | flags},
      .body = {.nfgen_family = (uint8_t)family},
  };
  if (send(fd, &request, sizeof request, 0) != (ssize_t)sizeof request) die("send");
}

/* The next command, split at blanks into at most `max` words (the others empty); 0 at the end of input. */
static UNUSED int next_command(char *line, int size, char **words, int max) {
  fflush(stdout);
  if (!fgets(line, size, stdin)) return 0;
  for (int i = 0; i < max; i++) words[i] = "";
  char *rest = line;
  for (int i = 0; i < max; i++) {
    char *word = strtok_r(rest, " \n", &rest);
    if (!word) break;
    words[i] = word;
  }
  return 1;
}

#endif
