// SPDX-License-Identifier: Apache-2.0
// Derives rules from any bytes. The first four tell where functions are known to begin; the rest is code. Stretches
// ascend, and each rule is one that the kernel side knows.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <vector>

#include "bpf/registers.h"
#include "symbolizer/unwind/derive_flow.h"

using namespace kiln;
using namespace kiln::symbolizer;

namespace {

void Check(bool condition) {
  if (!condition) std::abort();
}

void CheckRule(const kiln_rule& rule) {
  if (rule.cfa_kind == KILN_CFA_SPECIAL) {
    Check(IsSpecial(rule, KILN_SPECIAL_ROOT) || IsSpecial(rule, KILN_SPECIAL_UNCLEAR));
    return;
  }
  Check(rule.cfa_kind == KILN_CFA_REGISTER || rule.cfa_kind == KILN_CFA_DEREF);
  for (const uint8_t reg : {rule.cfa_register, rule.fp_register, rule.ra_register}) Check(reg < KILN_X86_WORDS);
  Check(rule.ra_kind == KILN_VALUE_AT_CFA || rule.ra_kind == KILN_VALUE_REGISTER);
  Check(rule.flags == KILN_RULE_DERIVED);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 4) return 0;
  const std::span<const std::byte> code(reinterpret_cast<const std::byte*>(data + 4), size - 4);
  std::vector<uint32_t> known;
  std::vector<std::pair<uint32_t, uint32_t>> tables;
  for (int i = 0; i < 2; ++i) {
    known.push_back(data[i]);
    tables.emplace_back(data[i], data[i + 2]);
  }
  for (std::vector<uint32_t> sorted : {known}) {
    std::ranges::sort(sorted);
    sorted.erase(std::unique(sorted.begin(), sorted.end()), sorted.end());
    known = sorted;
  }
  std::ranges::sort(tables);
  CodeSweep sweep = SweepCode(code, ElfAddress(0x401000), known);
  Check(sweep.size <= code.size() && sweep.starts.size() == sweep.size);
  CodeFlow flow(std::move(sweep), {.known = known, .likely = {}, .table_targets = tables, .code = code});
  flow.Run();
  uint32_t end = 0;
  flow.Visit([&](const CodeFlow::Stretch& stretch) {
    Check(stretch.begin >= end && stretch.end > stretch.begin);
    end = stretch.end;
    if (stretch.state != nullptr) CheckRule(stretch.state->Rule());
  });
  Check(end <= flow.sweep().size);
  return 0;
}
