// SPDX-License-Identifier: Apache-2.0
// GoRows on any bytes: extents ascend, and rows lie in their extent and ascend.
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "symbolizer/unwind/go_rows.h"

using namespace kiln;
using namespace kiln::symbolizer;

namespace {

void Check(bool condition) {
  if (!condition) std::abort();
}

class CheckingSink : public RowSink {
 public:
  explicit CheckingSink(const CodeExtent& extent) : extent_(extent), last_(extent.begin) {}
  void Add(ElfAddress address, const kiln_rule&) override {
    Check(rows++ != 0 || address == extent_.begin);
    Check(address >= last_ && address <= extent_.end);
    last_ = address;
  }
  size_t rows = 0;

 private:
  CodeExtent extent_;
  ElfAddress last_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto* bytes = reinterpret_cast<const std::byte*>(data);
  const StatusOr<ElfFile> elf = ElfFile::Open(MakeMemorySource(std::vector<std::byte>(bytes, bytes + size)));
  if (!elf.ok()) return 0;
  const StatusOr<std::unique_ptr<GoRows>> rows = GoRows::Open(*elf);
  if (!rows.ok()) return 0;
  ElfAddress at;
  for (int i = 0; i < 1000; ++i) {
    const std::optional<CodeExtent> extent = (*rows)->Next(at);
    if (!extent) break;
    Check(extent->begin < extent->end && extent->end > at);
    CheckingSink sink(*extent);
    (*rows)->AddRows(*extent, sink);
    Check(sink.rows != 0);
    at = extent->end;
  }
  return 0;
}
