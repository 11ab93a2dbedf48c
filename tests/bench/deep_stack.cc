// SPDX-License-Identifier: Apache-2.0
// One busy thread with a stack of known depth, compiled without frame pointers: FRAMES calls below main, over 64
// different paths of two functions. At the bottom it computes in registers, or, given MEGABYTES, it reads all over a
// buffer of that size, so that nothing of the sampler's is left in the caches from one sample to the next.
//
// Runs until it is killed. The number of descents is in the first eight bytes of FILE, for whoever wants to know how
// much work it got done.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "tests/programs/burn.h"
#include "tests/programs/truth.h"

namespace {

// About 20 µs each, so that few samples fall into the way down and up.
constexpr int kComputeRounds = 10'000;
constexpr int kReads = 1'000;

std::vector<uint64_t> buffer;  // a power of two in size; empty = compute

uint64_t Shuffle(uint64_t state) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state;
}

}  // namespace

// Keeps calls from being merged, moved or turned into jumps.
#define KEEP_APART() asm volatile("" : : : "memory")

KILN_BURNS uint64_t compute(uint64_t state) {
  KEEP_APART();
  for (int round = 0; round < kComputeRounds; ++round) state = Shuffle(state);
  return state;
}

KILN_BURNS uint64_t read_everywhere(uint64_t state) {
  KEEP_APART();
  uint64_t sum = 0;
  for (int read = 0; read < kReads; ++read) {
    state = Shuffle(state);
    sum += buffer[state & (buffer.size() - 1)];
  }
  return state + (sum & 1);
}

KILN_BURNS uint64_t step_right(int frames, uint64_t path, uint64_t state);

// Frames of 50 bytes would flatter: those of real programs are about this much larger.
#define KILN_BENCH_LOCALS() \
  char locals[80];          \
  asm volatile("" : : "r"(locals) : "memory")

// This call and those below it are `frames`. Bit `frames` of `path` chooses who comes next.
KILN_BURNS uint64_t step_left(int frames, uint64_t path, uint64_t state) {
  KEEP_APART();
  KILN_BENCH_LOCALS();
  if (frames <= 2) {
    state = buffer.empty() ? compute(state) : read_everywhere(state);
  } else {
    const bool right = frames > 3 && (path >> (frames & 63) & 1);
    state = right ? step_right(frames - 1, path, state) : step_left(frames - 1, path, state);
  }
  KEEP_APART();  // work after the call: no tail call
  return state;
}

KILN_BURNS uint64_t step_right(int frames, uint64_t path, uint64_t state) {
  KEEP_APART();
  KILN_BENCH_LOCALS();
  state = step_left(frames - 1, path, state);
  KEEP_APART();
  return state + 1;
}

int main(int argc, char** argv) {
  const int frames = argc > 2 ? std::atoi(argv[2]) : 0;
  const int megabytes = argc > 3 ? std::atoi(argv[3]) : 0;
  if (argc < 3 || argc > 4 || frames < 3 || (argc == 4 && megabytes < 1)) {
    std::fprintf(stderr, "usage: deep_stack FILE FRAMES [MEGABYTES]\n");
    return 64;
  }
  const int file = open(argv[1], O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (file < 0 || ftruncate(file, sizeof(uint64_t)) != 0) kiln::programs::Die(argv[1]);
  void* memory = mmap(nullptr, sizeof(uint64_t), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (memory == MAP_FAILED) kiln::programs::Die("mmap");
  const std::atomic_ref progress(*static_cast<uint64_t*>(memory));
  if (megabytes > 0) {
    size_t words = 1;
    while (words * sizeof(uint64_t) < static_cast<size_t>(megabytes) << 20) words *= 2;
    buffer.assign(words, 1);
  }
  uint64_t state = static_cast<uint64_t>(getpid()) * 2 + 1;
  for (uint64_t descent = 1;; ++descent) {
    state = Shuffle(step_left(frames, (state >> 32 & 63) * 0x9E3779B97F4A7C15, state | 1));
    progress.store(descent, std::memory_order_relaxed);
  }
}
