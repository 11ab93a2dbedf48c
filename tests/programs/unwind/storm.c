// SPDX-License-Identifier: Apache-2.0
// A storm of processes that live for 20 to 50 ms of CPU time: COUNT of them, three at a time, each started by
// posix_spawn. burn ← works ← main in each. With `same` all run this file; with `fresh` each runs a copy of its own, in
// FOLDER, with a build id of its own. The copies stay there: whoever started the storm removes them.
//
// Ground truth: the pids; `on_cpu_ns`, their CPU time as wait4 tells it, from the first instruction of the child to its
// end; and `in_main_ns`, the part of it from the start of main on, as they measured themselves.
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "tests/programs/unwind/chain.h"

enum { kParallel = 3, kMostProcesses = 100000, kMostFileBytes = 1 << 20 };

// What a child says of itself: CPU time in main.
struct ChildReport {
  int64_t in_main_ns;
};

FRAME void burn(void) { BURN(); }

FRAME void works(const struct Budget* budget) {
  while (HasBudget(budget)) burn();
  STAY_IN_FRAME();
}

static int RunChild(int milliseconds, int report_to) {
  struct Budget budget = StartBudget(milliseconds);
  works(&budget);
  const struct ChildReport report = {SpentNs(&budget)};
  return write(report_to, &report, sizeof(report)) == sizeof(report) ? EXIT_SUCCESS : EXIT_FAILURE;
}

// This program's file, and where in it the build id stands.
static struct {
  char bytes[kMostFileBytes];
  size_t size;
  size_t build_id;
} file;

// Finds the build id among the notes of the first object, which is the program.
static int FindBuildId(struct dl_phdr_info* object, size_t size, void* unused) {
  (void)size;
  (void)unused;
  for (int i = 0; i < object->dlpi_phnum; ++i) {
    const ElfW(Phdr)* segment = &object->dlpi_phdr[i];
    if (segment->p_type != PT_NOTE) continue;
    for (size_t at = 0; at + sizeof(ElfW(Nhdr)) < segment->p_filesz;) {
      const ElfW(Nhdr)* note = (const ElfW(Nhdr)*)(object->dlpi_addr + segment->p_vaddr + at);
      const size_t description = at + sizeof(*note) + ((note->n_namesz + 3u) & ~3u);
      if (note->n_type == NT_GNU_BUILD_ID && note->n_descsz >= 8) file.build_id = segment->p_offset + description;
      at = description + ((note->n_descsz + 3u) & ~3u);
    }
  }
  return 1;
}

static void ReadOwnFile(void) {
  const int own = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  const ssize_t size = own < 0 ? -1 : read(own, file.bytes, sizeof(file.bytes));
  if (size <= 0 || size == sizeof(file.bytes)) Die("/proc/self/exe");
  file.size = (size_t)size;
  close(own);
  dl_iterate_phdr(FindBuildId, NULL);
  if (file.build_id == 0 || file.build_id + 8 > file.size) {
    fprintf(stderr, "storm: the program has no build id\n");
    exit(EXIT_FAILURE);
  }
}

// Writes copy `number`, another build id in it, to `path`.
static void WriteCopy(const char* path, uint32_t number) {
  memcpy(file.bytes + file.build_id, &number, sizeof(number));
  const int copy = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
  if (copy < 0 || write(copy, file.bytes, file.size) != (ssize_t)file.size || close(copy) != 0) Die(path);
}

static pid_t Start(const char* path, int milliseconds, int report_to) {
  char budget[16], descriptor[16];
  snprintf(budget, sizeof(budget), "%d", milliseconds);
  snprintf(descriptor, sizeof(descriptor), "%d", report_to);
  char* arguments[] = {(char*)"storm", (char*)"--child", budget, descriptor, NULL};
  pid_t pid = 0;
  errno = posix_spawn(&pid, path, NULL, NULL, arguments, environ);
  if (errno != 0) Die(path);
  return pid;
}

// Waits for one child; its CPU time.
static int64_t Finish(void) {
  int status = 0;
  struct rusage usage;
  if (wait4(-1, &status, 0, &usage) < 0 || status != 0) Die("a child");
  return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * INT64_C(1000000000) +
         (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * INT64_C(1000);
}

int main(int argc, char** argv) {
  if (argc == 4 && strcmp(argv[1], "--child") == 0) return RunChild(atoi(argv[2]), atoi(argv[3]));
  const char* usage = "storm COUNT same|fresh FOLDER";
  const int count = NumberArgument(argc, argv, 1, usage);
  if (argc < 4 || count > kMostProcesses) {
    fprintf(stderr, "usage: %s\n", usage);
    return 2;
  }
  const bool fresh = strcmp(argv[2], "fresh") == 0;
  ReadOwnFile();
  static pid_t pids[kMostProcesses];
  int reports[2];
  if (pipe(reports) != 0) Die("pipe");
  struct timespec began, ended;
  clock_gettime(CLOCK_MONOTONIC, &began);
  int64_t on_cpu_ns = 0, in_main_ns = 0;
  uint32_t random = 12345;
  for (int i = 0; i < count + kParallel; ++i) {
    if (i >= kParallel) {
      struct ChildReport report;
      on_cpu_ns += Finish();
      if (read(reports[0], &report, sizeof(report)) != sizeof(report)) Die("a report");
      in_main_ns += report.in_main_ns;
    }
    if (i >= count) continue;
    char path[4096] = "/proc/self/exe";
    if (fresh) {
      snprintf(path, sizeof(path), "%s/storm_%d", argv[3], i);
      WriteCopy(path, (uint32_t)i + 1);
    }
    random = random * 1103515245 + 12345;
    pids[i] = Start(path, 20 + (int)(random >> 16) % 30, reports[1]);
  }
  clock_gettime(CLOCK_MONOTONIC, &ended);
  const double seconds = (double)(ended.tv_sec - began.tv_sec) + (double)(ended.tv_nsec - began.tv_nsec) / 1e9;
  printf("{\"program\":\"storm\",\"pid\":%d,\"per_second\":%.1f,\"on_cpu_ns\":%lld,\"in_main_ns\":%lld,\"pids\":[",
         (int)getpid(), count / seconds, (long long)on_cpu_ns, (long long)in_main_ns);
  for (int i = 0; i < count; ++i) printf("%s%d", i == 0 ? "" : ",", (int)pids[i]);
  printf("]}\n");
}
