// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/unwind/tracked_register.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <vector>

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

// More code than that of one row is not looked through.
constexpr uint64_t kMaxRowBytes = 64 << 10;

// Whether the bytes contain an instruction that bases the CFA on a callee-saved register other than FP and SP; often
// true by chance.
bool MayHaveOtherCfa(const UnwindMachine& machine, std::span<const std::byte> bytes) {
  const auto at = [&](size_t i) { return std::to_integer<uint8_t>(bytes[i]); };
  for (size_t i = 0; i + 1 < bytes.size(); ++i) {
    const uint8_t opcode = at(i);
    if (opcode < kDefCfa || opcode > kDefCfaSf) continue;
    if ((opcode == kDefCfa || opcode == kDefCfaRegister || opcode == kDefCfaSf) &&
        machine.IsOtherCalleeSaved(at(i + 1))) {
      return true;
    }
    if (opcode == kDefCfaExpression && i + 2 < bytes.size() && at(i + 2) >= kOpBreg0 &&
        machine.IsOtherCalleeSaved(at(i + 2) - kOpBreg0)) {
      return true;
    }
  }
  return false;
}

uint64_t CfaRegister(const UnwindMachine& machine, const CfaRule& cfa) {
  if (cfa.kind == CfaRule::Kind::kRegister) return cfa.reg;
  if (cfa.kind != CfaRule::Kind::kExpression) return kNoDwarfRegister;
  const CfiFormula formula = EvaluateCfiExpression(cfa.expression, machine.dwarf_ra, false);
  return formula.form == CfiFormula::Form::kDerefRegister ? formula.reg : kNoDwarfRegister;
}

class Counter final : public CfiStateSink {
 public:
  Counter(const UnwindMachine& machine, const ElfFile& code, CfaRegisterCounts& counts)
      : machine_(machine), code_(code), counts_(counts) {}

  void Add(uint64_t address, const CfiState& state) override {
    Finish(address);
    begin_ = address;
    register_ = CfaRegister(machine_, state.cfa);
  }
  // The row that is under way ends at `end`.
  void Finish(uint64_t end) {
    if (!machine_.IsOtherCalleeSaved(register_) || end <= begin_) return;
    bytes_.resize(std::min(end - begin_, kMaxRowBytes));
    const bool read = code_.ReadAddress(ElfAddress(begin_), bytes_).ok();
    if (read && MayCall(machine_, code_, ElfAddress(begin_), bytes_)) ++counts_[register_];
    register_ = kNoDwarfRegister;
  }

 private:
  const UnwindMachine& machine_;
  const ElfFile& code_;
  CfaRegisterCounts& counts_;
  uint64_t begin_ = 0;
  uint64_t register_ = kNoDwarfRegister;
  std::vector<std::byte> bytes_;
};

bool X86MayCall(const ElfFile& elf, uint64_t address, std::span<const std::byte> code) {
  constexpr uint8_t kCallNear = 0xe8;  // call rel32
  constexpr uint8_t kGroup5 = 0xff;    // call r/m64 is its member 2
  constexpr size_t kCallNearBytes = 5;
  for (size_t i = 0; i + 1 < code.size(); ++i) {
    const auto opcode = std::to_integer<uint8_t>(code[i]);
    if (opcode == kGroup5 && (std::to_integer<uint8_t>(code[i + 1]) >> 3 & 7) == 2) return true;
    if (opcode != kCallNear || i + kCallNearBytes > code.size()) continue;
    int32_t distance = 0;
    std::memcpy(&distance, code.data() + i + 1, sizeof(distance));
    const uint64_t target = address + i + kCallNearBytes + static_cast<uint64_t>(int64_t{distance});
    if (elf.ExecutableSegmentContaining(ElfAddress(target)) != nullptr) return true;
  }
  return false;
}

bool Arm64MayCall(std::span<const std::byte> code) {
  ByteReader reader(code);
  uint32_t instruction = 0;
  while (reader.Read(instruction)) {
    const bool bl = (instruction & 0xfc000000) == 0x94000000;
    // blr, blraa and their kin
    const bool blr = (instruction & 0xfefff000) == 0xd63f0000;
    if (bl || blr) return true;
  }
  return false;
}

}  // namespace

bool MayCall(const UnwindMachine& machine, const ElfFile& elf, ElfAddress address, std::span<const std::byte> code) {
  return machine.is_x86() ? X86MayCall(elf, address.value(), code) : Arm64MayCall(code);
}

void CountOtherCfa(const UnwindMachine& machine, const CfiSection& section, const ElfFile& code,
                   CfaRegisterCounts& counts) {
  UnwindCounts ignored;  // the index and the rows count the same entries
  CieCache cies(section);
  CfiProgram program(machine, section, kNoDwarfRegister);
  Counter counter(machine, code, counts);
  uint64_t offset = 0;
  while (const std::optional<CfiEntry> entry = section.EntryAt(offset)) {
    offset = entry->end;
    if (entry->is_cie) continue;
    if (!MayHaveOtherCfa(machine, section.bytes().subspan(entry->body, entry->end - entry->body))) continue;
    const Cie* cie = cies.Get(entry->cie_offset, ignored);
    if (cie == nullptr) continue;
    const std::optional<Fde> fde = section.ReadFde(*entry, *cie, ignored);
    CfiState initial;
    uint64_t failed_at = 0;
    if (!fde || program.RunCie(*cie, initial)) continue;
    (void)program.RunFde(*cie, initial, *fde, counter, failed_at);
    counter.Finish(fde->begin + fde->size);
  }
}

uint64_t ChooseTrackedRegister(const CfaRegisterCounts& counts) {
  const auto most = std::ranges::max_element(counts);
  return *most == 0 ? kNoDwarfRegister : static_cast<uint64_t>(most - counts.begin());
}

}  // namespace kiln::symbolizer
