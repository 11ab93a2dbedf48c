/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/vm/arm64/tables.h"

#include <bpf/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "sampler_arm64.skel.h"
#include "tests/vm/arm64/table_image.h"

/* Of what is told about a process in the first value, in words: struct kiln_process and its ranges. Two take turns, so
 * that what the sampler may be reading does not change. */
enum {
  SLOTS_AT = 64,
  SLOT_WORDS = 256,
  RANGES_IN_SLOT = 32,
};

static struct table_image_file files[TABLE_IMAGE_MAX_FILES];
static __u32 file_count;
static __u32* first_value;
static __u32 slot;
static __u32 last_stamp;

/* A chunk, mapped; NULL on failure. */
static char* add_chunk(struct sampler* sampler, __u32 index) {
  LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_MMAPABLE);
  int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "chunk", sizeof(__u32), KILN_VALUE_BYTES, KILN_CHUNK_VALUES, &options);
  char* chunk;

  if (fd < 0 || bpf_map__update_elem(sampler->maps.unwind_tables, &index, sizeof(index), &fd, sizeof(fd), BPF_ANY))
    return NULL;
  chunk = mmap(NULL, KILN_CHUNK_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  return chunk == MAP_FAILED ? NULL : chunk;
}

static int load_values(struct sampler* sampler, FILE* file, __u32 count) {
  char* chunk = NULL;

  for (__u32 i = 0; i < count; i++) {
    if (i % KILN_CHUNK_VALUES == 0) {
      chunk = add_chunk(sampler, i / KILN_CHUNK_VALUES);
      if (!chunk) {
        printf("runner: cannot add table memory: %m\n");
        return -1;
      }
    }
    if (i == 0) first_value = (__u32*)chunk;
    if (fread(chunk + i % KILN_CHUNK_VALUES * KILN_VALUE_BYTES, KILN_VALUE_BYTES, 1, file) != 1) {
      printf("runner: the tables end at value %u of %u\n", i, count);
      return -1;
    }
  }
  return 0;
}

int tables_load(struct sampler* sampler, const char* path) {
  FILE* file = fopen(path, "rb");
  struct table_image image;
  int error = -1;

  if (!file || fread(&image, sizeof(image), 1, file) != 1 || memcmp(image.magic, TABLE_IMAGE_MAGIC, 8) ||
      image.file_count > TABLE_IMAGE_MAX_FILES || image.value_count == 0 ||
      fread(files, sizeof(files[0]), image.file_count, file) != image.file_count) {
    printf("runner: %s holds no tables\n", path);
  } else {
    file_count = image.file_count;
    error = load_values(sampler, file, image.value_count);
  }
  if (file) fclose(file);
  return error;
}

static const struct table_image_file* find_file(const char* name) {
  for (__u32 i = 0; i < file_count; i++)
    if (!strcmp(files[i].name, name)) return &files[i];
  return NULL;
}

/* Where the vDSO begins in the process, 0 if it has none. */
static __u64 vdso_start(__u32 pid) {
  char path[64], line[512];
  unsigned long start = 0, found = 0;
  FILE* maps;

  snprintf(path, sizeof(path), "/proc/%u/maps", pid);
  maps = fopen(path, "r");
  while (maps && fgets(line, sizeof(line), maps))
    if (strstr(line, "[vdso]") && sscanf(line, "%lx-", &start) == 1) found = start;
  if (maps) fclose(maps);
  return found;
}

/* Appends the ranges of a file, moved by `bias`. Returns how many there are then. */
static __u32 append_ranges(struct kiln_code_range* ranges, __u32 count, const struct table_image_file* file,
                           __u64 bias) {
  for (__u32 i = 0; i < file->range_count; i++, count++) {
    ranges[count] = file->ranges[i];
    ranges[count].start += bias;
    ranges[count].end += bias;
    ranges[count].base += bias;
  }
  return count;
}

/* What the CPUs remember of processes is void. */
static void forget_processes(struct sampler* sampler) {
  __atomic_fetch_add(&sampler->bss->process_generation, 1, __ATOMIC_SEQ_CST);
}

int tables_publish(struct sampler* sampler, const char* name, __u32 pid, __u64 start_ns,
                   const struct kiln_stack* stack) {
  __u64 ref = SLOTS_AT + slot * SLOT_WORDS;
  struct kiln_process* process = (struct kiln_process*)(first_value + ref);
  struct kiln_code_range* ranges = (struct kiln_code_range*)(first_value + ref + RANGES_IN_SLOT);
  const struct table_image_file* program = find_file(name);
  const struct table_image_file* vdso = find_file("[vdso]");
  __u64 vdso_bias = vdso_start(pid);
  __u32 count;

  slot = !slot;
  if (!program || !vdso) {
    printf("runner: %s has no tables\n", name);
    return -1;
  }
  if (!vdso_bias) return -1; /* it has ended */
  count = append_ranges(ranges, 0, program, 0);
  count = append_ranges(ranges, count, vdso, vdso_bias); /* lies above: the ranges stay sorted */
  *process = (struct kiln_process){
      .start_ns = start_ns,
      .exec_pages = stack->exec_pages,
      .tgid = pid,
      .exec_id = stack->exec_id,
      .snapshot = 1,
      .range_count = count,
      .ranges = ref + RANGES_IN_SLOT,
      .flags = KILN_PROCESS_ALL_KNOWN,
      .stamp = ++last_stamp,
  };
  __atomic_thread_fence(__ATOMIC_RELEASE);
  if (bpf_map__update_elem(sampler->maps.processes, &pid, sizeof(pid), &ref, sizeof(ref), BPF_ANY)) {
    printf("runner: cannot enter process %u: %m\n", pid);
    return -1;
  }
  forget_processes(sampler);
  return 0;
}

void tables_forget(struct sampler* sampler, __u32 pid) {
  bpf_map__delete_elem(sampler->maps.processes, &pid, sizeof(pid), 0);
  forget_processes(sampler);
}
