// SPDX-License-Identifier: Apache-2.0
// 90 % of the CPU time in the kernel: `read_all` copies a file out of the page cache, `digest` is the user-space rest.
// libc's pread() has no frame of its own, so a frame-pointer walk misses its direct caller: that is ReadOnce, and
// `read_all` above it is always seen. Duration in CPU seconds.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <vector>

#include "tests/programs/truth.h"

using kiln::programs::BurnUntil;
using kiln::programs::ThreadCpuNs;

namespace {

constexpr size_t kFileBytes = 16 << 20;
constexpr size_t kReadBytes = 256 << 10;  // about 30 µs: the clock is read rarely, the slice is not overrun by much

int file = -1;
std::vector<char> buffer(kReadBytes);

__attribute__((noinline)) void ReadOnce(off_t offset) {
  KILN_KEEP_FRAME();
  if (pread(file, buffer.data(), buffer.size(), offset) != static_cast<ssize_t>(buffer.size()))
    kiln::programs::Die("pread");
}

}  // namespace

KILN_BURNS int64_t read_all(int64_t until_ns) {
  static off_t offset = 0;
  KILN_KEEP_FRAME();
  int64_t now_ns;
  do {
    ReadOnce(offset);
    offset = static_cast<off_t>((offset + kReadBytes) % kFileBytes);
    now_ns = ThreadCpuNs();
  } while (now_ns < until_ns);
  return now_ns;
}

KILN_BURNS int64_t digest(int64_t until_ns) { return BurnUntil(until_ns); }

int main(int argc, char** argv) {
  using namespace kiln::programs;
  const int64_t duration_ns = DurationArgument(argc, argv, 1, "reader CPU-SECONDS");
  StopOnSignals();
  file = memfd_create("reader", 0);
  for (size_t written = 0; written < kFileBytes; written += kReadBytes) {
    if (write(file, buffer.data(), buffer.size()) != static_cast<ssize_t>(buffer.size()))
      kiln::programs::Die("filling the file");
  }
  Part parts[] = {{"read_all", 0.9, read_all}, {"digest", 0.1, digest}};
  RunParts(parts, duration_ns);
  Truth("reader").Number("pid", getpid()).Number("on_cpu_ns", ProcessCpuNs()).Parts("functions", parts).Print();
}
