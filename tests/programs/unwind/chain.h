// SPDX-License-Identifier: Apache-2.0
// What the programs share that know their own stack. Each spends its CPU time in a leaf `burn`, below a chain of
// functions that its head comment names and tests/e2e/unwind_programs.py declares. They are compiled with -O2 and
// without frame pointers. C11 and C++20; every program is one translation unit.
//
// The chain is entered anew for every burn of about 100 µs, so that samples fall into prologues and epilogues too.
#pragma once

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

// A frame of the chain: it appears under its plain name, and the compiler learns nothing about its callees.
#if defined(__cplusplus)
#define CHAIN_C extern "C"
#else
#define CHAIN_C
#endif
#if defined(__clang__)
#define FRAME CHAIN_C __attribute__((noinline, used))
#else
#define FRAME CHAIN_C __attribute__((noipa, used))
#endif

// Work after a call: keeps it from becoming a jump.
#define STAY_IN_FRAME() __asm__ volatile("" : : : "memory")

// The body of a burning function: about 100 µs of computing without a call and without a stack frame.
#define BURN_ROUNDS 40000
#define BURN()                                          \
  do {                                                  \
    uint64_t state = 88172645463325252u;                \
    for (int round = 0; round < BURN_ROUNDS; ++round) { \
      state ^= state << 13;                             \
      state ^= state >> 7;                              \
      state ^= state << 17;                             \
      __asm__ volatile("" : "+r"(state));               \
    }                                                   \
  } while (0)

static inline void Die(const char* what) {
  perror(what);
  exit(EXIT_FAILURE);
}

// CPU time of the calling thread.
static inline int64_t ThreadCpuNs(void) {
  struct timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

// CPU time that one thread is to spend.
struct Budget {
  int64_t start_ns;
  int64_t length_ns;
};

static inline struct Budget StartBudget(int64_t milliseconds) {
  struct Budget budget = {ThreadCpuNs(), milliseconds * 1000000};
  return budget;
}

static inline int64_t SpentNs(const struct Budget* budget) { return ThreadCpuNs() - budget->start_ns; }
static inline bool HasBudget(const struct Budget* budget) { return SpentNs(budget) < budget->length_ns; }

// The number in argv[index]; exits with a usage message unless it is above 0.
static inline int NumberArgument(int argc, char** argv, int index, const char* usage) {
  const int number = index < argc ? atoi(argv[index]) : 0;
  if (number <= 0) {
    fprintf(stderr, "usage: %s\n", usage);
    exit(2);
  }
  return number;
}

// Writes one line of ground truth, as tests/programs/truth.h describes it. `burned_ns` is the CPU time of the loops
// that entered the chain, in this process; there may be one line per process.
static inline void ReportProcess(const char* program, pid_t pid, int64_t burned_ns) {
  char line[256];
  const int size = snprintf(line, sizeof(line), "{\"program\":\"%s\",\"pid\":%d,\"burned_ns\":%lld}\n", program,
                            (int)pid, (long long)burned_ns);
  if (write(STDOUT_FILENO, line, (size_t)size) != size) Die("writing the ground truth");
}

static inline void Report(const char* program, int64_t burned_ns) { ReportProcess(program, getpid(), burned_ns); }
