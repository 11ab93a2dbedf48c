/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/vm/verifier_cost.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* include/linux/bpf_verifier.h BPF_LOG_STATS: no line per instruction, so the log is short. */
enum {
  LOG_STATS = 4,
  LOG_BYTES = 65536,
};

int ask_for_verifier_cost(struct bpf_object* object) {
  struct bpf_program* program;

  bpf_object__for_each_program(program, object) {
    char* log = calloc(1, LOG_BYTES);

    if (!log) return -ENOMEM;
    bpf_program__set_log_level(program, LOG_STATS);
    bpf_program__set_log_buf(program, log, LOG_BYTES);
  }
  return 0;
}

// The whole of a program: "processed N insns". Newer kernels have another line "insns processed", function by function.
static long instructions_in(const char* log) {
  const char* at = log;
  long instructions;
  int end;

  while ((at = strstr(at, "processed "))) {
    end = 0;
    if (sscanf(at, "processed %ld insns%n", &instructions, &end) == 1 && end > 0) return instructions;
    at++;
  }
  return -1;
}

void print_verifier_cost(struct bpf_object* object) {
  struct bpf_program* program;

  bpf_object__for_each_program(program, object) {
    const char* name = bpf_program__name(program);
    size_t size = 0;
    const char* log = bpf_program__log_buf(program, &size);

    if (!log || !bpf_program__autoload(program)) continue;
    if (bpf_program__fd(program) < 0)
      printf("verifier %s refused\n%s\n", name, log);
    else if (instructions_in(log) > 0)
      printf("verifier %s %ld\n", name, instructions_in(log));
    else
      printf("verifier %s unknown\n", name);
    bpf_program__set_log_buf(program, NULL, 0);
    free((void*)log);
  }
}
