// SPDX-License-Identifier: Apache-2.0
// JitDump on any file, in two steps as if it had grown between them; lookups around every number that it may have taken
// for an address.
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "base/fd.h"
#include "symbolizer/jitdump.h"

using namespace kiln;
using namespace kiln::symbolizer;

namespace {

void Append(int fd, const uint8_t* data, size_t size) {
  if (::write(fd, data, size) != static_cast<ssize_t>(size)) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const UniqueFd fd(::memfd_create("jitdump", MFD_CLOEXEC));
  const StatusOr<File> file = File::Open("/proc/self/fd/" + std::to_string(fd.get()));
  if (!file.ok()) std::abort();
  constexpr JitDumpLimits kLimits = {.max_read_bytes = 1 << 22, .max_memory_bytes = 1 << 20, .max_moves = 10'000};
  JitDump dump(kLimits);
  const size_t first = size / 2;
  Append(fd.get(), data, first);
  const Status begin = dump.Update(*file);
  Append(fd.get(), data + first, size - first);
  const Status whole = dump.Update(*file);
  if (!begin.ok() && whole.ok()) std::abort();  // it is the same file
  if (whole.ok() && dump.read_bytes() > size + 4096) std::abort();
  if (dump.memory_bytes() > kLimits.max_memory_bytes + 64 * size + (1 << 16)) std::abort();
  // Read at once it is the same.
  const StatusOr<JitDump> again = JitDump::Read(*file, kLimits);
  if (again.ok() != whole.ok() || (whole.ok() && again->size() != dump.size())) std::abort();
  for (size_t at = 0; at + sizeof(uint64_t) <= size; at += 4) {
    uint64_t address = 0;
    std::memcpy(&address, data + at, sizeof(address));
    const Naming naming = dump.Lookup(ProcessAddress(address));
    if (naming.lines.empty() != (naming.miss == Miss::kNotCovered)) std::abort();
    if (!naming.lines.empty() && naming.lines[0].name.empty()) std::abort();
    if (again.ok() && again->Lookup(ProcessAddress(address)).lines != naming.lines) std::abort();
  }
  return 0;
}
