/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /init of an emulated arm64 machine: samples the programs below /programs one after the other with kiln's sampler,
 * prints what was sampled in lines (stacks.h, verifier_cost.h, sampling.h) and powers off. check_arm64.py reads them.
 */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/klog.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/vm/arm64/sampling.h"
#include "tests/vm/arm64/stacks.h"

static const char folder[] = "/programs";

struct run {
  __u32 pid;
  struct stacks stacks;
};

static void on_sample(void* context, const struct kiln_identity* identity, const struct kiln_sample* sample,
                      const __u64* words) {
  struct run* run = context;

  (void)identity;
  if (sample->pid == run->pid) stacks_add(&run->stacks, sample, words);
}

/* Until the program has ended; SIGCHLD cuts a nap short. */
static int wait_and_drain(struct run* run) {
  struct timespec nap = {.tv_nsec = 50000000};
  sigset_t child;
  int status;

  sigemptyset(&child);
  sigaddset(&child, SIGCHLD);
  for (;;) {
    pid_t ended = waitpid(run->pid, &status, WNOHANG);

    sampling_drain(on_sample, run);
    if (ended) return ended == (pid_t)run->pid ? status : -1;
    sigtimedwait(&child, NULL, &nap);
  }
}

static void run_program(const char* name) {
  static struct run run;
  char path[sizeof(folder) + 256];
  char* arguments[] = {path, NULL};
  char* environment[] = {NULL};
  pid_t pid;

  snprintf(path, sizeof(path), "%s/%s", folder, name);
  errno = posix_spawn(&pid, path, NULL, NULL, arguments, environment);
  if (errno) {
    printf("runner: cannot start %s: %m\n", name);
    return;
  }
  run.pid = pid;
  printf("status %s %d\n", name, wait_and_drain(&run));
  stacks_print_and_clear(&run.stacks, name);
}

static int is_program(const struct dirent* entry) { return entry->d_name[0] != '.'; }

static void run_all(void) {
  struct sampler* sampler = sampling_start();
  struct dirent** programs;
  int count;

  if (!sampler) return;
  count = scandir(folder, &programs, is_program, alphasort);
  for (int i = 0; i < count; i++) run_program(programs[i]->d_name);
  sampling_print_counters(sampler);
}

int main(void) {
  struct utsname system;
  sigset_t child;

  sigemptyset(&child);
  sigaddset(&child, SIGCHLD);
  sigprocmask(SIG_BLOCK, &child, NULL);
  mount("proc", "/proc", "proc", 0, NULL);
  mount("sysfs", "/sys", "sysfs", 0, NULL);
  mount("bpf", "/sys/fs/bpf", "bpf", 0, NULL);
  mount("tracefs", "/sys/kernel/tracing", "tracefs", 0, NULL);
  klogctl(6, NULL, 0); /* a kernel message in the middle of a line would spoil it */
  uname(&system);
  printf("\nuname %s %s\n", system.release, system.machine);
  run_all();
  printf("@@@ done\n");
  fflush(stdout);
  reboot(RB_POWER_OFF);
  return 0;
}
