// SPDX-License-Identifier: Apache-2.0
#include "tests/programs/jitted_code.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>

#include "tests/programs/truth.h"

namespace kiln::programs {
namespace {

#if defined(__x86_64__)
constexpr uint8_t kCode[] = {
    0x55,              // push rbp
    0x48, 0x89, 0xe5,  // mov rbp, rsp
    0x48, 0xff, 0xcf,  // dec rdi
    0x75, 0xfb,        // jnz -5
    0x5d,              // pop rbp
    0xc3,              // ret
};
#elif defined(__aarch64__)
constexpr uint32_t kCode[] = {
    0xa9bf7bfd,  // stp x29, x30, [sp, #-16]!
    0x910003fd,  // mov x29, sp
    0xf1000400,  // subs x0, x0, #1
    0x54ffffe1,  // b.ne -4
    0xa8c17bfd,  // ldp x29, x30, [sp], #16
    0xd65f03c0,  // ret
};
#else
#error "jitted_code: no code for this processor"
#endif

constexpr size_t kMemoryBytes = 4096;

}  // namespace

std::string PerfMapPath() { return "/tmp/perf-" + std::to_string(getpid()) + ".map"; }

JittedLoop MakeJittedLoop(const std::string& name) {
  void* memory = mmap(nullptr, kMemoryBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) Die("mmap");
  memcpy(memory, kCode, sizeof(kCode));
  if (mprotect(memory, kMemoryBytes, PROT_READ | PROT_EXEC) != 0) Die("mprotect");
  __builtin___clear_cache(static_cast<char*>(memory), static_cast<char*>(memory) + sizeof(kCode));

  const std::string path = PerfMapPath();
  FILE* map = fopen(path.c_str(), "w");
  if (map == nullptr) Die(path);
  fprintf(map, "%lx %zx %s\n", reinterpret_cast<unsigned long>(memory), sizeof(kCode), name.c_str());
  if (fclose(map) != 0) Die(path);
  return reinterpret_cast<JittedLoop>(memory);
}

__attribute__((noinline)) int64_t RunJitted(JittedLoop loop, int64_t until_ns) {
  KILN_KEEP_FRAME();
  int64_t now_ns;
  do {
    loop(200'000);
    now_ns = ThreadCpuNs();
  } while (now_ns < until_ns);
  return now_ns;
}

}  // namespace kiln::programs
