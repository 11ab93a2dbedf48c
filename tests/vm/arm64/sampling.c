/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/vm/arm64/sampling.h"

#include <bpf/bpf.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sampler_arm64.skel.h"
#include "tests/vm/verifier_cost.h"

enum {
  FREQUENCY_HZ = 997,
  RING_BYTES = 1 << 20,
  MAX_CPUS = 8,
};

static struct ring_buffer* reader;
static struct {
  sample_handler sample;
  stack_handler stack;
  void* context;
} handlers;

/* Records come whole, and written by the program beside us: one check of the size is enough here. */
static int handle_record(void* context, void* data, size_t size) {
  const struct kiln_identity* identity = data;
  const struct kiln_sample* sample = data;

  (void)context;
  if (size < sizeof(*sample)) return 0;
  if (sample->type == KILN_RECORD_STACK) {
    if (size >= sizeof(struct kiln_stack)) handlers.stack(handlers.context, data);
    return 0;
  }
  if (identity->type == KILN_RECORD_IDENTITY)
    sample = (const void*)(identity + 1);
  else
    identity = NULL;
  handlers.sample(handlers.context, identity, sample, (const __u64*)(sample + 1));
  return 0;
}

static int create_rings(struct sampler* sampler, int cpus) {
  for (__u32 cpu = 0; cpu < (__u32)cpus; cpu++) {
    int fd = bpf_map_create(BPF_MAP_TYPE_RINGBUF, "ring", 0, 0, RING_BYTES, NULL);

    if (fd < 0 || bpf_map__update_elem(sampler->maps.rings, &cpu, sizeof(cpu), &fd, sizeof(fd), BPF_ANY)) return -1;
    if (!reader)
      reader = ring_buffer__new(fd, handle_record, NULL, NULL);
    else if (ring_buffer__add(reader, fd, handle_record, NULL))
      return -1;
    if (!reader) return -1;
  }
  return 0;
}

static int attach(struct sampler* sampler, int cpu) {
  struct perf_event_attr attributes = {
      .type = PERF_TYPE_SOFTWARE,
      .size = sizeof(attributes),
      .config = PERF_COUNT_SW_CPU_CLOCK,
      .freq = 1,
      .sample_freq = FREQUENCY_HZ,
      .exclude_idle = 1,
  };
  int fd = syscall(SYS_perf_event_open, &attributes, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);

  return fd >= 0 && bpf_program__attach_perf_event(sampler->progs.on_sample, fd) ? 0 : -1;
}

struct sampler* sampling_start(void) {
  struct sampler* sampler = sampler__open();
  int cpus = libbpf_num_possible_cpus();
  struct kiln_config* config;
  int error;

  if (!sampler || cpus < 1 || cpus > MAX_CPUS || ask_for_verifier_cost(sampler->obj)) {
    printf("runner: cannot open the sampler\n");
    return NULL;
  }
  config = (struct kiln_config*)&sampler->rodata->config;
  config->kernel_stacks = 1;
  config->ring_count = cpus;
  config->ring_bytes = RING_BYTES;
  config->kernel_frames = KILN_MAX_KERNEL_FRAMES;
  bpf_map__set_max_entries(sampler->maps.stack_copies, cpus);
  bpf_map__set_max_entries(sampler->maps.memories, cpus);
  error = sampler__load(sampler);
  print_verifier_cost(sampler->obj);
  if (error) {
    printf("runner: the kernel refused the programs: %s\n", strerror(-error));
    return NULL;
  }
  if (create_rings(sampler, cpus)) {
    printf("runner: cannot create the rings: %m\n");
    return NULL;
  }
  for (int cpu = 0; cpu < cpus; cpu++) {
    if (attach(sampler, cpu)) {
      printf("runner: cannot sample CPU %d: %m\n", cpu);
      return NULL;
    }
  }
  return sampler;
}

int sampling_drain(sample_handler handle_sample, stack_handler handle_stack, void* context) {
  handlers.sample = handle_sample;
  handlers.stack = handle_stack;
  handlers.context = context;
  return ring_buffer__consume(reader) < 0 ? -1 : 0;
}

void sampling_print_counters(const struct sampler* sampler) {
#define KILN_COUNTER(identifier, name, kind, description) [KILN_COUNTER_##identifier] = name,
  static const char* const names[] = {
#include "bpf/counters.def"
  };
#undef KILN_COUNTER
  int cpus = libbpf_num_possible_cpus();

  for (__u32 i = 0; i < KILN_COUNTER_COUNT; i++) {
    __u64 values[MAX_CPUS] = {}, total = 0;

    bpf_map__lookup_elem(sampler->maps.counters, &i, sizeof(i), values, cpus * sizeof(values[0]), 0);
    for (int cpu = 0; cpu < cpus; cpu++) total += values[cpu];
    if (total) printf("counter %s %llu\n", names[i], (unsigned long long)total);
  }
}
