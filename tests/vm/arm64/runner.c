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
#include <sys/auxv.h>
#include <sys/klog.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/vm/arm64/sampling.h"
#include "tests/vm/arm64/stacks.h"
#include "tests/vm/arm64/tables.h"

static const char folder[] = "/programs";

struct run {
  struct sampler* sampler;
  const char* name;
  __u32 pid;
  __u64 start_ns;          /* of the process, 0 until an identity came */
  struct kiln_stack stack; /* the last one of the process; stack.time_ns is 0 if there was none */
  struct kiln_stack published;
  struct stacks stacks;
};

/* Like kiln itself, the runner learns of a process by the first sample that could not be walked. */
static void on_stack(void* context, const struct kiln_stack* stack) {
  struct run* run = context;

  run->stack = *stack;
}

/* Whether what the sampler was told last is out of date, as after exec. */
static int is_news(const struct run* run) {
  return run->stack.exec_id != run->published.exec_id || run->stack.exec_pages != run->published.exec_pages;
}

static void on_sample(void* context, const struct kiln_identity* identity, const struct kiln_sample* sample,
                      const __u64* words) {
  struct run* run = context;

  if (sample->pid != run->pid) return;
  if (identity) run->start_ns = identity->process_start_ns;
  if (run->start_ns && run->stack.time_ns == sample->time_ns && is_news(run) &&
      !tables_publish(run->sampler, run->name, run->pid, run->start_ns, &run->stack))
    run->published = run->stack;
  stacks_add(&run->stacks, sample, words);
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

    sampling_drain(on_sample, on_stack, run);
    if (ended) return ended == (pid_t)run->pid ? status : -1;
    sigtimedwait(&child, NULL, &nap);
  }
}

static void run_program(struct sampler* sampler, const char* name) {
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
  run.sampler = sampler;
  run.name = name;
  run.pid = pid;
  run.start_ns = 0;
  memset(&run.stack, 0, sizeof(run.stack));
  memset(&run.published, 0, sizeof(run.published));
  printf("status %s %d\n", name, wait_and_drain(&run));
  tables_forget(sampler, pid);
  stacks_print_and_clear(&run.stacks, name);
}

static int is_program(const struct dirent* entry) { return entry->d_name[0] != '.'; }

static void run_all(void) {
  struct sampler* sampler = sampling_start();
  struct dirent** programs;
  int count;

  if (!sampler || tables_load(sampler, "/tables")) return;
  count = scandir(folder, &programs, is_program, alphasort);
  for (int i = 0; i < count; i++) run_program(sampler, programs[i]->d_name);
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
  printf("pointer authentication %d\n", !!(getauxval(AT_HWCAP) & HWCAP_PACA));
  run_all();
  printf("@@@ done\n");
  fflush(stdout);
  reboot(RB_POWER_OFF);
  return 0;
}
