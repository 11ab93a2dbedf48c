// SPDX-License-Identifier: Apache-2.0
// Spends CPU time in functions with known names and known shares. A test load is a list of parts: the scheduler always
// runs the part that is furthest behind its share, for a slice of random length, measured by the thread's CPU clock.
// So the shares hold over any window longer than a few slices, whatever else the machine does, and no period of the
// load can fall into step with the period of a sampler.
//
// A part's function must be declared KILN_BURNS: it then appears under its plain name, is never inlined or cloned, and
// keeps a frame even if it is a leaf (GCC 12 gives leaves none, whatever the options say).
#pragma once

#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <span>

#if defined(__clang__)
#define KILN_BURNS extern "C" __attribute__((noinline))
#else
#define KILN_BURNS extern "C" __attribute__((noinline, noclone))
#endif
#define KILN_KEEP_FRAME() asm volatile("" : : "r"(__builtin_frame_address(0)) : "memory")

namespace kiln::programs {

inline int64_t ClockNs(clockid_t clock) {
  timespec now;
  clock_gettime(clock, &now);
  return now.tv_sec * int64_t{1'000'000'000} + now.tv_nsec;
}

// CPU time of the calling thread, and of all threads of the process since its start (exec does not reset it).
inline int64_t ThreadCpuNs() { return ClockNs(CLOCK_THREAD_CPUTIME_ID); }
inline int64_t ProcessCpuNs() { return ClockNs(CLOCK_PROCESS_CPUTIME_ID); }

// The body of a burning function: computes until the thread's CPU clock reads `until_ns`, returns what it then reads.
// Always inlined, so the named function itself is the leaf. The clock is a system call; with about 80 µs between two of
// them it stays below 1 % of the time.
[[gnu::always_inline]] inline int64_t BurnUntil(int64_t until_ns) {
  KILN_KEEP_FRAME();
  uint64_t state = static_cast<uint64_t>(until_ns) | 1;
  int64_t now_ns;
  do {
    for (int round = 0; round < 40'000; ++round) {
      state ^= state << 13;
      state ^= state >> 7;
      state ^= state << 17;
    }
    asm volatile("" : "+r"(state));
    now_ns = ThreadCpuNs();
  } while (now_ns < until_ns);
  return now_ns;
}

// A small reproducible generator, for slice lengths.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed * 2 + 1) {}
  // Uniform in [low, high).
  int64_t Between(int64_t low, int64_t high) {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return low + static_cast<int64_t>(state_ % static_cast<uint64_t>(high - low));
  }

 private:
  uint64_t state_;
};

// One function of a load. `run` burns until the calling thread's CPU clock reads its argument and returns what it read.
struct Part {
  const char* name;
  double share;
  int64_t (*run)(int64_t until_ns);
  int64_t spent_ns = 0;
};

inline constexpr int64_t kShortestSliceNs = 500'000;
inline constexpr int64_t kLongestSliceNs = 3'000'000;

// The part that is furthest behind its share. `parts` is not empty.
inline Part& MostBehind(std::span<Part> parts) {
  int64_t total_ns = 0;
  for (const Part& part : parts) total_ns += part.spent_ns;
  Part* most = parts.data();
  double most_behind_ns = -1;
  for (Part& part : parts) {
    const double behind_ns = part.share * static_cast<double>(total_ns) - static_cast<double>(part.spent_ns);
    if (behind_ns > most_behind_ns) {
      most = &part;
      most_behind_ns = behind_ns;
    }
  }
  return *most;
}

inline volatile std::sig_atomic_t stop_requested = 0;

// SIGTERM and SIGINT end the load early; it then prints its ground truth as at its regular end.
inline void StopOnSignals() {
  struct sigaction action = {};
  action.sa_handler = [](int) { stop_requested = 1; };
  sigaction(SIGTERM, &action, nullptr);
  sigaction(SIGINT, &action, nullptr);
}

// Runs the parts by their shares until this thread has spent `duration_ns` of CPU time in them, or a stop was
// requested.
inline void RunParts(std::span<Part> parts, int64_t duration_ns) {
  Random random(1);
  for (int64_t total_ns = 0; total_ns < duration_ns && !stop_requested;) {
    Part& part = MostBehind(parts);
    const int64_t start_ns = ThreadCpuNs();
    const int64_t spent_ns = part.run(start_ns + random.Between(kShortestSliceNs, kLongestSliceNs)) - start_ns;
    part.spent_ns += spent_ns;
    total_ns += spent_ns;
  }
}

// Seconds on the command line as nanoseconds; exits with a usage message unless argv[index] is a number above 0.
int64_t DurationArgument(int argc, char** argv, int index, const char* usage);

}  // namespace kiln::programs
