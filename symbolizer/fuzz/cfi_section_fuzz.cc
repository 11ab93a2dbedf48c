// SPDX-License-Identifier: Apache-2.0
// Call frame information of any bytes. Extents have to ascend, and rows have to lie in theirs. The first byte chooses
// the machine, the kind of section and the register that is tracked.
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "symbolizer/testing/elf_builder.h"
#include "symbolizer/unwind/cfi_rows.h"
#include "symbolizer/unwind/tracked_register.h"

using namespace kiln;
using namespace kiln::symbolizer;

namespace {

void Check(bool condition) {
  if (!condition) std::abort();
}

class Rows final : public RowSink {
 public:
  explicit Rows(const CodeExtent& extent) : extent_(extent) {}
  void Add(ElfAddress address, const kiln_rule& rule) override {
    Check(address < extent_.end);
    Check(last_ ? address >= *last_ : address == extent_.begin);
    Check(rule.cfa_kind <= KILN_CFA_SIGNAL || rule.cfa_kind == KILN_CFA_SPECIAL);
    last_ = address;
  }
  bool any() const { return last_.has_value(); }

 private:
  CodeExtent extent_;
  std::optional<ElfAddress> last_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr ElfAddress kSection(0x10000);
  constexpr int kMaxExtents = 1000;
  if (size == 0) return 0;
  const UnwindMachine& machine = *FindUnwindMachine((data[0] & 1) != 0 ? EM_AARCH64 : EM_X86_64);
  const auto kind = (data[0] & 2) != 0 ? CfiSection::Kind::kDebugFrame : CfiSection::Kind::kEhFrame;
  const auto* bytes = reinterpret_cast<const std::byte*>(data);
  auto section = std::make_unique<CfiSection>(kind, std::vector<std::byte>(bytes + 1, bytes + size), kSection,
                                              PointerBases{.text = 0x1000, .data = 0x2000});
  static const ElfFile code = *testing::ElfBuilder().Open();
  CfaRegisterCounts registers{};
  CountOtherCfa(machine, *section, code, registers);
  UnwindCounts counts;
  FdeIndex index;
  index.Scan(*section, counts);
  CfiRows rows(machine, code, std::move(section), std::move(index), counts);
  if ((data[0] & 4) != 0) rows.Track(machine.is_x86() ? 3 : 19);
  ElfAddress at(0);
  for (int i = 0; i < kMaxExtents; ++i) {
    const std::optional<CodeExtent> extent = rows.Next(at);
    if (!extent) break;
    Check(extent->begin < extent->end && extent->begin >= at);
    Check(rows.EndBefore(extent->begin) <= extent->begin);
    Rows sink(*extent);
    rows.AddRows(*extent, sink);
    Check(sink.any());
    at = extent->end;
  }
  return 0;
}
