// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/unwind/tracked_register.h"

#include <algorithm>
#include <optional>

#include "symbolizer/unwind/cfi_expression.h"
#include "symbolizer/unwind/cfi_program.h"
#include "symbolizer/unwind/cie_cache.h"

namespace kiln::symbolizer {
namespace {

// DW_CFA_def_cfa, DW_CFA_def_cfa_register, DW_CFA_def_cfa_sf; and the first operation of an expression, DW_OP_breg0.
constexpr uint8_t kDefCfa = 0x0c;
constexpr uint8_t kDefCfaRegister = 0x0d;
constexpr uint8_t kDefCfaSf = 0x12;
constexpr uint8_t kDefCfaExpression = 0x0f;
constexpr uint8_t kOpBreg0 = 0x70;

// Whether the bytes contain an instruction that bases the CFA on a callee-saved register; often true by chance.
bool MayHaveCalleeSavedCfa(const UnwindMachine& machine, std::span<const std::byte> bytes) {
  const auto at = [&](size_t i) { return std::to_integer<uint8_t>(bytes[i]); };
  for (size_t i = 0; i + 1 < bytes.size(); ++i) {
    const uint8_t opcode = at(i);
    if (opcode < kDefCfa || opcode > kDefCfaSf) continue;
    if ((opcode == kDefCfa || opcode == kDefCfaRegister || opcode == kDefCfaSf) && machine.IsCalleeSaved(at(i + 1))) {
      return true;
    }
    if (opcode == kDefCfaExpression && i + 2 < bytes.size() && at(i + 2) >= kOpBreg0 &&
        machine.IsCalleeSaved(at(i + 2) - kOpBreg0)) {
      return true;
    }
  }
  return false;
}

class Counter final : public CfiStateSink {
 public:
  Counter(const UnwindMachine& machine, CfaRegisterCounts& counts) : machine_(machine), counts_(counts) {}
  void Add(uint64_t address, const CfiState& state) override {
    uint64_t reg = kNoDwarfRegister;
    if (state.cfa.kind == CfaRule::Kind::kRegister) {
      reg = state.cfa.reg;
    } else if (state.cfa.kind == CfaRule::Kind::kExpression) {
      const CfiFormula formula = EvaluateCfiExpression(state.cfa.expression, machine_.dwarf_ra, false);
      if (formula.form == CfiFormula::Form::kDerefRegister) reg = formula.reg;
    }
    if (machine_.IsCalleeSaved(reg)) ++counts_[reg];
  }

 private:
  const UnwindMachine& machine_;
  CfaRegisterCounts& counts_;
};

}  // namespace

void CountCalleeSavedCfa(const UnwindMachine& machine, const CfiSection& section, CfaRegisterCounts& counts) {
  UnwindCounts ignored;  // the index and the rows count the same entries
  CieCache cies(section);
  CfiProgram program(machine, section, kNoDwarfRegister);
  Counter counter(machine, counts);
  uint64_t offset = 0;
  while (const std::optional<CfiEntry> entry = section.EntryAt(offset)) {
    offset = entry->end;
    if (entry->is_cie) continue;
    if (!MayHaveCalleeSavedCfa(machine, section.bytes().subspan(entry->body, entry->end - entry->body))) continue;
    const Cie* cie = cies.Get(entry->cie_offset, ignored);
    if (cie == nullptr) continue;
    const std::optional<Fde> fde = section.ReadFde(*entry, *cie, ignored);
    CfiState initial;
    uint64_t failed_at = 0;
    if (!fde || program.RunCie(*cie, initial)) continue;
    (void)program.RunFde(*cie, initial, *fde, counter, failed_at);
  }
}

uint64_t ChooseTrackedRegister(const CfaRegisterCounts& counts) {
  const auto most = std::ranges::max_element(counts);
  return *most == 0 ? kNoDwarfRegister : static_cast<uint64_t>(most - counts.begin());
}

}  // namespace kiln::symbolizer
