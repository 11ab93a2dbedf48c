// SPDX-License-Identifier: Apache-2.0
// name_lookup FILE < addresses: what naming costs in the library, for scripts/bench --names. Prints one line of JSON:
// how long opening the file takes, what debug information is read and its index built, the peak of resident memory
// after that, and nanoseconds per address: the names of all addresses, in their order, round after round until a second
// is over.
#include <sys/resource.h>

#include <chrono>
#include <cinttypes>
#include <cstdio>
#include <vector>

#include "base/status.h"
#include "symbolizer/file_symbolizer.h"

namespace {

double SecondsSince(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

int main(int argc, char** argv) {
  using kiln::symbolizer::FileSymbolizer;
  if (argc != 2) {
    fmt::print(stderr, "usage: name_lookup FILE < addresses\n");
    return 64;
  }
  std::vector<kiln::ElfAddress> addresses;
  for (uint64_t address = 0; std::scanf("%" SCNx64, &address) == 1;) addresses.emplace_back(address);
  const auto start = std::chrono::steady_clock::now();
  const auto symbolizer = FileSymbolizer::Open(argv[1], {});
  if (!symbolizer.ok() || addresses.empty()) {
    fmt::print(stderr, "name_lookup: {}\n", symbolizer.ok() ? "no addresses" : kiln::Message(symbolizer.status()));
    return 65;
  }
  const double open_seconds = SecondsSince(start);
  struct rusage usage {};
  ::getrusage(RUSAGE_SELF, &usage);

  uint64_t lines = 0;
  const auto round = [&] {
    for (const kiln::ElfAddress address : addresses) lines += (*symbolizer)->Lookup(address).lines.size();
  };
  const auto first = std::chrono::steady_clock::now();
  round();
  const double first_seconds = SecondsSince(first);
  const uint64_t lines_per_round = lines;
  const auto warm = std::chrono::steady_clock::now();
  uint64_t rounds = 0;
  do {
    round();
    ++rounds;
  } while (SecondsSince(warm) < 1);
  const double count = static_cast<double>(addresses.size());
  fmt::print(
      "{{\"open_ms\":{:.1f},\"peak_rss_bytes\":{},\"addresses\":{},\"lines_per_address\":{:.2f},\"first_ns\":{:.0f},"
      "\"warm_ns\":{:.0f},\"note\":\"{}\"}}\n",
      open_seconds * 1e3, static_cast<uint64_t>(usage.ru_maxrss) * 1024, addresses.size(),
      static_cast<double>(lines_per_round) / count, first_seconds * 1e9 / count,
      SecondsSince(warm) * 1e9 / (count * static_cast<double>(rounds)), (*symbolizer)->note());
  return 0;
}
