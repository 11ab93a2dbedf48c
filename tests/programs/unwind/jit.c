// SPDX-License-Identifier: Apache-2.0
// Compiled code calls code made at run time, which has no unwind tables but keeps a frame pointer, as JIT compilers do
// on request, and which calls compiled code back: burn ← called_back ← (run-time code) ← calls_jit ← main. A perf map
// names the run-time code `jitted_frame`.
#include <sys/mman.h>

#include "tests/programs/unwind/chain.h"

FRAME void burn(void) { BURN(); }

FRAME void called_back(void) {
  char local[104];
  __asm__ volatile("" : : "r"(local) : "memory");
  burn();
  STAY_IN_FRAME();
}

typedef void (*Jitted)(void (*function)(void));

#if defined(__x86_64__)
static const uint8_t kCode[] = {
    0x55,                    // push rbp
    0x48, 0x89, 0xe5,        // mov rbp, rsp
    0x48, 0x83, 0xec, 0x20,  // sub rsp, 32
    0xff, 0xd7,              // call rdi
    0xc9,                    // leave
    0xc3,                    // ret
};
#elif defined(__aarch64__)
static const uint32_t kCode[] = {
    0xa9be7bfd,  // stp x29, x30, [sp, #-32]!
    0x910003fd,  // mov x29, sp
    0xd63f0000,  // blr x0
    0xa8c27bfd,  // ldp x29, x30, [sp], #32
    0xd65f03c0,  // ret
};
#else
#error "jit: no code for this processor"
#endif

FRAME void calls_jit(Jitted jitted) {
  char local[40];
  __asm__ volatile("" : : "r"(local) : "memory");
  jitted(called_back);
  STAY_IN_FRAME();
}

static Jitted MakeCode(void) {
  char* memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) Die("mmap");
  memcpy(memory, kCode, sizeof(kCode));
  if (mprotect(memory, 4096, PROT_READ | PROT_EXEC) != 0) Die("mprotect");
  __builtin___clear_cache(memory, memory + sizeof(kCode));
  char path[64];
  snprintf(path, sizeof(path), "/tmp/perf-%d.map", (int)getpid());
  FILE* map = fopen(path, "w");
  if (map == NULL) Die(path);
  fprintf(map, "%lx %zx jitted_frame\n", (unsigned long)memory, sizeof(kCode));
  if (fclose(map) != 0) Die(path);
  return (Jitted)memory;
}

int main(int argc, char** argv) {
  const int milliseconds = NumberArgument(argc, argv, 1, "jit CPU-MILLISECONDS");
  const Jitted jitted = MakeCode();
  struct Budget budget = StartBudget(milliseconds);
  while (HasBudget(&budget)) calls_jit(jitted);
  Report("jit", SpentNs(&budget));
}
