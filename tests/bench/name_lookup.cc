// SPDX-License-Identifier: Apache-2.0
// name_lookup FILE [ROOT] < addresses: what naming costs in the library, for scripts/bench --names. Prints one line of
// JSON: how long opening the file takes, what debug information is read and its index built, the peak of resident
// memory after that, and nanoseconds per address: the names of all addresses, in their order, round after round until a
// second is over.
#include <sys/resource.h>
#include <time.h>

#include <cinttypes>
#include <cstdio>
#include <vector>

#include "base/status.h"
#include "symbolizer/file_symbolizer.h"

namespace {

// Of the processor: the machine may have other work.
double CpuSeconds() {
  struct timespec now {};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

}  // namespace

int main(int argc, char** argv) {
  using kiln::symbolizer::FileSymbolizer;
  if (argc != 2 && argc != 3) {
    fmt::print(stderr, "usage: name_lookup FILE [ROOT] < addresses\n");
    return 64;
  }
  std::vector<kiln::ElfAddress> addresses;
  for (uint64_t address = 0; std::scanf("%" SCNx64, &address) == 1;) addresses.emplace_back(address);
  kiln::symbolizer::FileSymbolizerOptions options;
  if (argc == 3) options.roots = {argv[2]};  // where its debug file lies
  const double start = CpuSeconds();
  const auto symbolizer = FileSymbolizer::Open(argv[1], options);
  if (!symbolizer.ok() || addresses.empty()) {
    fmt::print(stderr, "name_lookup: {}\n", symbolizer.ok() ? "no addresses" : kiln::Message(symbolizer.status()));
    return 65;
  }
  const double open_seconds = CpuSeconds() - start;
  struct rusage usage {};
  ::getrusage(RUSAGE_SELF, &usage);

  uint64_t lines = 0;
  const auto round = [&] {
    for (const kiln::ElfAddress address : addresses) lines += (*symbolizer)->Find(address).lines.size();
  };
  const double first = CpuSeconds();
  round();
  const double first_seconds = CpuSeconds() - first;
  const uint64_t lines_per_round = lines;
  const double warm = CpuSeconds();
  uint64_t rounds = 0;
  do {
    round();
    ++rounds;
  } while (CpuSeconds() - warm < 1);
  const double count = static_cast<double>(addresses.size());
  fmt::print(
      "{{\"open_ms\":{:.1f},\"peak_rss_bytes\":{},\"addresses\":{},\"lines_per_address\":{:.2f},\"first_ns\":{:.0f},"
      "\"warm_ns\":{:.0f},\"note\":\"{}\"}}\n",
      open_seconds * 1e3, static_cast<uint64_t>(usage.ru_maxrss) * 1024, addresses.size(),
      static_cast<double>(lines_per_round) / count, first_seconds * 1e9 / count,
      (CpuSeconds() - warm) * 1e9 / (count * static_cast<double>(rounds)), (*symbolizer)->note());
  return 0;
}
