// SPDX-License-Identifier: Apache-2.0
// bcc_names [--loop] PID < addresses: names of addresses of a process by bcc's symbol cache, one "module<TAB>name" a
// line,
// "<TAB>" where there is none. With --loop one number instead: nanoseconds per address, once the symbols are read.
// Built by bcc_compare.py, since nothing else needs libbpfcc.
#include <bcc/bcc_syms.h>

#include <chrono>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <vector>

int main(int argc, char** argv) {
  const bool loop = argc == 3 && std::string_view(argv[1]) == "--loop";
  if (argc != 2 && !loop) {
    std::fprintf(stderr, "usage: bcc_names [--loop] PID < addresses\n");
    return 64;
  }
  std::vector<uint64_t> addresses;
  for (uint64_t address = 0; std::scanf("%" SCNx64, &address) == 1;) addresses.push_back(address);
  void* const cache = bcc_symcache_new(std::atoi(argv[argc - 1]), nullptr);
  for (const uint64_t address : addresses) {
    bcc_symbol symbol{};
    const bool found = bcc_symcache_resolve_no_demangle(cache, address, &symbol) == 0;
    if (loop) continue;
    std::printf("%s\t%s\n", found && symbol.module != nullptr ? symbol.module : "",
                found && symbol.name != nullptr ? symbol.name : "");
  }
  if (!loop) return 0;
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  double seconds = 0;
  uint64_t asked = 0;
  do {
    for (const uint64_t address : addresses) {
      bcc_symbol symbol{};
      // With demangling, as for people, and as kiln does it.
      if (bcc_symcache_resolve(cache, address, &symbol) == 0) bcc_symbol_free_demangle_name(&symbol);
    }
    asked += addresses.size();
    seconds = std::chrono::duration<double>(Clock::now() - start).count();
  } while (seconds < 1 && !addresses.empty());
  std::printf("%.0f\n", seconds * 1e9 / static_cast<double>(asked));
  return 0;
}
