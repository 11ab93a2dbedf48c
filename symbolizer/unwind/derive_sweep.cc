// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/unwind/derive_sweep.h"

#include <Zydis/Zydis.h>

#include <algorithm>
#include <array>
#include <limits>
#include <optional>

namespace kiln::symbolizer {
namespace {

constexpr uint32_t kFunctionAlignment = 16;
// Instructions between reading a jump table and jumping. Assembly computes something else in between.
constexpr uint64_t kMaxTableDistance = 24;
constexpr uint16_t kFrameRegisters = 1 << kRsp | 1 << kRbp;

// Instructions on vectors and masks write no general register, but for these.
bool IsVectorWithoutRegister(const ZydisDecodedInstruction& instruction) {
  switch (instruction.meta.isa_ext) {
    case ZYDIS_ISA_EXT_SSE:
    case ZYDIS_ISA_EXT_SSE2:
    case ZYDIS_ISA_EXT_SSE3:
    case ZYDIS_ISA_EXT_SSSE3:
    case ZYDIS_ISA_EXT_SSE4:
    case ZYDIS_ISA_EXT_AVX:
    case ZYDIS_ISA_EXT_AVX2:
    case ZYDIS_ISA_EXT_AVX512EVEX:
    case ZYDIS_ISA_EXT_FMA: break;
    default: return false;
  }
  switch (instruction.mnemonic) {
    case ZYDIS_MNEMONIC_MOVD:
    case ZYDIS_MNEMONIC_MOVQ:
    case ZYDIS_MNEMONIC_VMOVD:
    case ZYDIS_MNEMONIC_VMOVQ:
    case ZYDIS_MNEMONIC_PEXTRB:
    case ZYDIS_MNEMONIC_PEXTRW:
    case ZYDIS_MNEMONIC_PEXTRD:
    case ZYDIS_MNEMONIC_PEXTRQ:
    case ZYDIS_MNEMONIC_VPEXTRB:
    case ZYDIS_MNEMONIC_VPEXTRW:
    case ZYDIS_MNEMONIC_VPEXTRD:
    case ZYDIS_MNEMONIC_VPEXTRQ:
    case ZYDIS_MNEMONIC_EXTRACTPS:
    case ZYDIS_MNEMONIC_VEXTRACTPS:
    case ZYDIS_MNEMONIC_MOVMSKPS:
    case ZYDIS_MNEMONIC_MOVMSKPD:
    case ZYDIS_MNEMONIC_VMOVMSKPS:
    case ZYDIS_MNEMONIC_VMOVMSKPD:
    case ZYDIS_MNEMONIC_PMOVMSKB:
    case ZYDIS_MNEMONIC_VPMOVMSKB:
    case ZYDIS_MNEMONIC_CVTSD2SI:
    case ZYDIS_MNEMONIC_CVTSS2SI:
    case ZYDIS_MNEMONIC_CVTTSD2SI:
    case ZYDIS_MNEMONIC_CVTTSS2SI:
    case ZYDIS_MNEMONIC_VCVTSD2SI:
    case ZYDIS_MNEMONIC_VCVTSS2SI:
    case ZYDIS_MNEMONIC_VCVTTSD2SI:
    case ZYDIS_MNEMONIC_VCVTTSS2SI:
    case ZYDIS_MNEMONIC_VCVTSD2USI:
    case ZYDIS_MNEMONIC_VCVTSS2USI:
    case ZYDIS_MNEMONIC_VCVTTSD2USI:
    case ZYDIS_MNEMONIC_VCVTTSS2USI:
    case ZYDIS_MNEMONIC_PCMPESTRI:
    case ZYDIS_MNEMONIC_PCMPISTRI:
    case ZYDIS_MNEMONIC_VPCMPESTRI:
    case ZYDIS_MNEMONIC_VPCMPISTRI:
    case ZYDIS_MNEMONIC_CRC32:
    case ZYDIS_MNEMONIC_POPCNT: return false;
    default: return true;
  }
}

// 0 … 15; nullopt for what is no general register.
std::optional<uint8_t> GeneralRegister(ZydisRegister reg) {
  const ZydisRegister whole = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, reg);
  if (whole < ZYDIS_REGISTER_RAX || whole > ZYDIS_REGISTER_R15) return std::nullopt;
  return static_cast<uint8_t>(whole - ZYDIS_REGISTER_RAX);
}
bool IsWhole(ZydisRegister reg) { return reg >= ZYDIS_REGISTER_RAX && reg <= ZYDIS_REGISTER_R15; }

class Sweeper {
 public:
  Sweeper(std::span<const std::byte> code, ElfAddress begin, std::span<const uint32_t> known)
      : code_(code.first(std::min(code.size(), kMaxSweepBytes))), begin_(begin), known_(known) {
    ZydisDecoderInit(&decoder_, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    out_.starts.resize(code_.size());
  }

  CodeSweep Run() {
    for (at_ = 0; at_ < code_.size();) {
      while (next_known_ < known_.size() && known_[next_known_] < at_) ++next_known_;
      const bool is_known = next_known_ < known_.size() && known_[next_known_] == at_;
      if (is_known) EndPadding(true);
      const size_t limit = NextKnown();
      if (ZYAN_FAILED(
              ZydisDecoderDecodeInstruction(&decoder_, &context_, code_.data() + at_, limit - at_, &instruction_))) {
        // Data, or the next known instruction begins in the middle of this one.
        Stop(1);
        ++at_;
        continue;
      }
      if (IsPadding()) {
        // A trap behind a call: nobody comes back from it.
        if (!stopped_ && instruction_.mnemonic == ZYDIS_MNEMONIC_INT3) Stop(instruction_.length);
        padding_ = true;
        out_.starts[at_] = true;
        at_ += instruction_.length;
        continue;
      }
      EndPadding(false);
      if (out_.events.size() > kMaxSweepEvents && !out_.regions.empty() && out_.regions.back() == at_) break;
      if (out_.events.size() > 2 * kMaxSweepEvents) break;
      out_.starts[at_] = true;
      ++out_.instructions;
      Visit();
      at_ += instruction_.length;
    }
    out_.size = static_cast<uint32_t>(std::min(at_, code_.size()));
    out_.starts.resize(out_.size);
    return std::move(out_);
  }

 private:
  size_t NextKnown() const {
    const size_t next = next_known_ < known_.size() && known_[next_known_] == at_ ? next_known_ + 1 : next_known_;
    return next < known_.size() ? std::min<size_t>(known_[next], code_.size()) : code_.size();
  }

  // What linkers and compilers fill up with, behind an instruction that doesn't go on or a call.
  bool IsPadding() const {
    if (!stopped_ && !after_call_) return false;
    if (instruction_.mnemonic == ZYDIS_MNEMONIC_NOP || instruction_.mnemonic == ZYDIS_MNEMONIC_INT3) return true;
    return stopped_ && code_[at_] == std::byte{0} && instruction_.length == 2 && code_[at_ + 1] == std::byte{0};
  }

  void EndPadding(bool known) {
    const bool aligned = (begin_.value() + at_) % kFunctionAlignment == 0;
    const bool region = known || at_ == 0 || (padding_ && aligned);
    if (after_call_ && padding_ && aligned && !stopped_) {
      out_.events.back().op = CodeOp::kCallBeforeGap;
      stopped_ = true;
    }
    if (stopped_ || known) out_.breaks.push_back(static_cast<uint32_t>(at_));
    if (region && (stopped_ || known)) {
      out_.regions.push_back(static_cast<uint32_t>(at_));
      holders_ = 0;
      frame_stored_ = false;
    }
    stopped_ = after_call_ = padding_ = false;
  }

  void Emit(CodeOp op, uint8_t reg = 0, uint8_t base = 0, int64_t value = 0) {
    if (value < std::numeric_limits<int32_t>::min() || value > std::numeric_limits<int32_t>::max()) {
      op = CodeOp::kKill;
      value = 0;
    }
    out_.events.push_back({.at = static_cast<uint32_t>(at_),
                           .bytes = instruction_.length,
                           .op = op,
                           .reg = reg,
                           .base = base,
                           .value = static_cast<int32_t>(value)});
  }
  void Stop(uint8_t bytes) {
    if (!stopped_) {
      instruction_.length = bytes;
      Emit(CodeOp::kStop);
    }
    stopped_ = true;
    after_call_ = false;
    padding_ = false;
  }

  // The target of a relative branch; kOutside if it is not in this code.
  int32_t Target(std::vector<uint32_t>& targets) {
    const auto target = static_cast<int64_t>(at_) + instruction_.length + instruction_.raw.imm[0].value.s;
    if (target < 0 || target >= static_cast<int64_t>(code_.size())) return kOutside;
    targets.push_back(static_cast<uint32_t>(target));
    return static_cast<int32_t>(target);
  }
  bool IsRelative() const {
    return (instruction_.attributes & ZYDIS_ATTRIB_IS_RELATIVE) != 0 && instruction_.raw.imm[0].is_relative;
  }

  void Visit() {
    if (instruction_.meta.category == ZYDIS_CATEGORY_COND_BR) {
      if (IsHolder(1)) Emit(CodeOp::kKill, 1);  // LOOP counts in RCX
      Emit(CodeOp::kCondition, 0, 0, Target(out_.jumps));
      return;
    }
    switch (instruction_.mnemonic) {
      case ZYDIS_MNEMONIC_CALL:
        Emit(CodeOp::kCall, 0, 0, IsRelative() ? Target(out_.calls) : kOutside);
        after_call_ = true;
        return;
      case ZYDIS_MNEMONIC_JMP:
        if (IsRelative()) {
          Emit(CodeOp::kJump, 0, 0, Target(out_.jumps));
        } else {
          NoteTableJump();
          Emit(CodeOp::kJumpIndirect);
        }
        stopped_ = true;
        return;
      case ZYDIS_MNEMONIC_RET:
        Emit(instruction_.opcode == 0xc3 || instruction_.opcode == 0xc2 ? CodeOp::kReturn : CodeOp::kStop);
        stopped_ = true;
        return;
      case ZYDIS_MNEMONIC_UD0:
      case ZYDIS_MNEMONIC_UD1:
      case ZYDIS_MNEMONIC_UD2:
      case ZYDIS_MNEMONIC_HLT:
      case ZYDIS_MNEMONIC_INT3:
      case ZYDIS_MNEMONIC_IRET:
      case ZYDIS_MNEMONIC_IRETD:
      case ZYDIS_MNEMONIC_IRETQ: return Stop(instruction_.length);
      case ZYDIS_MNEMONIC_LEAVE: return Emit(CodeOp::kLeave);
      case ZYDIS_MNEMONIC_PUSHFQ: return Emit(CodeOp::kPushOther);
      case ZYDIS_MNEMONIC_POPFQ: return Emit(CodeOp::kPopOther);
      case ZYDIS_MNEMONIC_ENTER: Emit(CodeOp::kKill, kRbp); return Emit(CodeOp::kKill, kRsp);
      default: break;
    }
    if (IsVectorWithoutRegister(instruction_)) return;
    if (instruction_.mnemonic == ZYDIS_MNEMONIC_LEA) NotePointer();
    if (instruction_.mnemonic == ZYDIS_MNEMONIC_MOVSXD) NoteTableLoad();
    if (instruction_.mnemonic == ZYDIS_MNEMONIC_ADD) NoteTableBase();
    if (instruction_.mnemonic == ZYDIS_MNEMONIC_MOV && !frame_stored_ && NoteCopy()) return;
    if (!Concerns()) return;
    if (ZYAN_FAILED(
            ZydisDecoderDecodeOperands(&decoder_, &context_, &instruction_, operands_, instruction_.operand_count))) {
      return;
    }
    VisitOperands();
  }

  bool IsHolder(uint8_t reg) const { return (holders_ >> reg & 1) != 0; }
  bool IsFrameOrHolder(uint8_t reg) const { return ((holders_ | kFrameRegisters) >> reg & 1) != 0; }

  // The register in which a memory operand's address begins, by the encoding; 0xff if there is none.
  uint8_t EncodedBase() const {
    const auto& raw = instruction_.raw;
    if ((instruction_.attributes & ZYDIS_ATTRIB_HAS_MODRM) == 0 || raw.modrm.mod == 3) return 0xff;
    const uint8_t high = static_cast<uint8_t>(raw.rex.B << 3);
    if (raw.modrm.rm == 4) return raw.modrm.mod == 0 && raw.sib.base == 5 ? 0xff : raw.sib.base | high;
    return raw.modrm.mod == 0 && raw.modrm.rm == 5 ? 0xff : raw.modrm.rm | high;
  }

  // A copy from place to place in the frame, by two moves in a row, may move the return address. True if it is told in
  // full.
  bool NoteCopy() {
    const auto& raw = instruction_.raw;
    const auto reg = static_cast<uint8_t>(raw.modrm.reg | raw.rex.R << 3);
    if (EncodedBase() != kRsp || raw.rex.W == 0 || HasIndex() || IsFrameOrHolder(reg)) return false;
    if (instruction_.opcode == 0x8b) {
      copied_at_ = out_.instructions;
      copied_.at = static_cast<uint32_t>(at_);
      copied_.bytes = instruction_.length;
      copied_.reg = reg;
      copied_.value = static_cast<int32_t>(raw.disp.value);
      return false;
    }
    if (instruction_.opcode != 0x89 || copied_at_ + 1 != out_.instructions || copied_.reg != reg) return false;
    out_.events.push_back(copied_);
    Emit(CodeOp::kStore, reg, kRsp, raw.disp.value);
    // What comes next is not looked at for what it does to the register.
    Emit(CodeOp::kKill, reg);
    return true;
  }

  // Cheaply: false if the instruction can be no event.
  bool Concerns() const {
    const auto& raw = instruction_.raw;
    // A holder may be written without being named (mul, rep movs).
    if (holders_ != 0 || instruction_.mnemonic == ZYDIS_MNEMONIC_PUSH || instruction_.mnemonic == ZYDIS_MNEMONIC_POP) {
      return true;
    }
    if (instruction_.encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY) return true;  // andn, shlx: rare
    if ((instruction_.attributes & ZYDIS_ATTRIB_HAS_MODRM) == 0) {
      return IsFrameOrHolder(static_cast<uint8_t>((instruction_.opcode & 7) | raw.rex.B << 3));
    }
    if (IsFrameOrHolder(static_cast<uint8_t>(raw.modrm.reg | raw.rex.R << 3))) return true;
    if (raw.modrm.mod == 3) return IsFrameOrHolder(static_cast<uint8_t>(raw.modrm.rm | raw.rex.B << 3));
    const bool copies =
        instruction_.mnemonic == ZYDIS_MNEMONIC_LEA || (instruction_.mnemonic == ZYDIS_MNEMONIC_MOV && frame_stored_);
    const uint8_t base = copies ? EncodedBase() : 0xff;
    return base != 0xff && IsFrameOrHolder(base);
  }

  bool HasIndex() const {
    return instruction_.raw.modrm.rm == 4 && (instruction_.raw.sib.index != 4 || instruction_.raw.rex.X != 0);
  }
  bool HasIndex(uint8_t log_scale) const {
    const auto& raw = instruction_.raw;
    return raw.modrm.mod != 3 && raw.modrm.rm == 4 && raw.sib.scale == log_scale;
  }
  void NoteTableLoad() {
    const uint8_t base = EncodedBase();
    if (!HasIndex(2) || base == 0xff || base >= pointer_in_.size() || pointer_in_[base].value() == 0) return;
    table_loaded_at_ = out_.instructions;
    table_register_ = static_cast<uint8_t>(instruction_.raw.modrm.reg | instruction_.raw.rex.R << 3);
    table_base_ = pointer_in_[base];
    table_ = ElfAddress(table_base_.value() + static_cast<uint64_t>(instruction_.raw.disp.value));
  }
  // The distances may count from elsewhere than the table.
  void NoteTableBase() {
    const auto& raw = instruction_.raw;
    if (table_loaded_at_ == 0 || raw.modrm.mod != 3) return;
    const auto a = static_cast<uint8_t>(raw.modrm.reg | raw.rex.R << 3);
    const auto b = static_cast<uint8_t>(raw.modrm.rm | raw.rex.B << 3);
    const uint8_t other = a == table_register_ ? b : b == table_register_ ? a : table_register_;
    if (other != table_register_ && pointer_in_[other].value() != 0) table_base_ = pointer_in_[other];
  }
  void NoteTableJump() {
    const auto& raw = instruction_.raw;
    if (raw.modrm.mod == 3) {
      if (table_loaded_at_ == 0 || out_.instructions - table_loaded_at_ > kMaxTableDistance) return;
      out_.tables.push_back(
          {.jump = static_cast<uint32_t>(at_), .table = table_, .base = table_base_, .is_absolute = false});
      table_loaded_at_ = 0;
    } else if (HasIndex(3) && raw.modrm.mod == 0 && raw.sib.base == 5) {
      const ElfAddress table(static_cast<uint64_t>(raw.disp.value));
      out_.tables.push_back({.jump = static_cast<uint32_t>(at_), .table = table, .base = {}, .is_absolute = true});
    }
  }

  void NotePointer() {
    const auto& raw = instruction_.raw;
    if (raw.modrm.mod != 0 || raw.modrm.rm != 5) return;
    const uint64_t address = begin_.value() + at_ + instruction_.length + static_cast<uint64_t>(raw.disp.value);
    pointer_in_[raw.modrm.reg | raw.rex.R << 3] = ElfAddress(address);
    const auto target = static_cast<int64_t>(at_) + instruction_.length + raw.disp.value;
    if (target >= 0 && target < static_cast<int64_t>(code_.size()))
      out_.pointers.push_back(static_cast<uint32_t>(target));
  }

  // A memory operand that is a whole register and a constant.
  static std::optional<uint8_t> PlainBase(const ZydisDecodedOperand& operand) {
    if (operand.type != ZYDIS_OPERAND_TYPE_MEMORY || operand.mem.index != ZYDIS_REGISTER_NONE ||
        !IsWhole(operand.mem.base) ||
        (operand.mem.segment != ZYDIS_REGISTER_DS && operand.mem.segment != ZYDIS_REGISTER_SS)) {
      return std::nullopt;
    }
    return GeneralRegister(operand.mem.base);
  }
  static bool IsWholeRegister(const ZydisDecodedOperand& operand) {
    return operand.type == ZYDIS_OPERAND_TYPE_REGISTER && IsWhole(operand.reg.value);
  }

  void Set(uint8_t reg, uint8_t base, int64_t value) {
    if (!IsFrameOrHolder(reg) && !IsFrameOrHolder(base)) return;
    Emit(CodeOp::kSet, reg, base, value);
    Hold(reg);
  }
  void Hold(uint8_t reg) {
    if (reg != kRsp && reg != kRbp) holders_ = static_cast<uint16_t>(holders_ | 1u << reg);
  }

  void VisitOperands() {
    const ZydisDecodedOperand& first = operands_[0];
    const ZydisDecodedOperand& second = operands_[1];
    switch (instruction_.mnemonic) {
      case ZYDIS_MNEMONIC_PUSH:
        if (instruction_.operand_width != 64) return Emit(CodeOp::kKill, kRsp);
        if (IsWholeRegister(first)) return Emit(CodeOp::kPush, *GeneralRegister(first.reg.value));
        if (const auto base = PlainBase(first); base && IsFrameOrHolder(*base)) {
          return Emit(CodeOp::kPushMemory, 0, *base, first.mem.disp.value);
        }
        return Emit(CodeOp::kPushOther);
      case ZYDIS_MNEMONIC_POP: {
        if (instruction_.operand_width != 64) return Emit(CodeOp::kKill, kRsp);
        if (const auto base = PlainBase(first); base && IsFrameOrHolder(*base)) {
          return Emit(CodeOp::kPopMemory, 0, *base, first.mem.disp.value);
        }
        if (!IsWholeRegister(first)) return Emit(CodeOp::kPopOther);
        const uint8_t reg = *GeneralRegister(first.reg.value);
        Emit(CodeOp::kPop, reg);
        // It may have been the return address.
        if ((kCallerSaved >> reg & 1) != 0) Hold(reg);
        return;
      }
      case ZYDIS_MNEMONIC_MOV:
        if (VisitMove(first, second)) return;
        break;
      case ZYDIS_MNEMONIC_LEA:
        if (const auto base = PlainBase(second); base && IsWholeRegister(first)) {
          const uint8_t reg = *GeneralRegister(first.reg.value);
          if (IsFrameOrHolder(*base) || reg == kRsp || reg == kRbp) return Set(reg, *base, second.mem.disp.value);
        }
        if (first.reg.value == ZYDIS_REGISTER_RSP && second.mem.base == ZYDIS_REGISTER_RSP) {
          return Emit(CodeOp::kShift, kRsp);
        }
        break;
      case ZYDIS_MNEMONIC_ADD:
      case ZYDIS_MNEMONIC_SUB:
        if (IsWholeRegister(first) && second.type == ZYDIS_OPERAND_TYPE_IMMEDIATE) {
          const uint8_t reg = *GeneralRegister(first.reg.value);
          const bool add = instruction_.mnemonic == ZYDIS_MNEMONIC_ADD;
          return Set(reg, reg, add ? second.imm.value.s : -second.imm.value.s);
        }
        if (first.type == ZYDIS_OPERAND_TYPE_REGISTER && first.reg.value == ZYDIS_REGISTER_RSP) {
          return Emit(CodeOp::kShift, kRsp);
        }
        break;
      case ZYDIS_MNEMONIC_AND:
        if (IsWholeRegister(first) && second.type == ZYDIS_OPERAND_TYPE_IMMEDIATE && second.imm.value.s < 0) {
          const uint8_t reg = *GeneralRegister(first.reg.value);
          if (IsFrameOrHolder(reg)) return Emit(CodeOp::kAlign, reg);
        }
        break;
      case ZYDIS_MNEMONIC_XCHG:
        if (IsWholeRegister(first) && IsWholeRegister(second)) {
          const uint8_t a = *GeneralRegister(first.reg.value);
          const uint8_t b = *GeneralRegister(second.reg.value);
          if (!IsFrameOrHolder(a) && !IsFrameOrHolder(b)) return;
          Emit(CodeOp::kExchange, a, b);
          Hold(a);
          return Hold(b);
        }
        break;
      case ZYDIS_MNEMONIC_XOR:
        if (second.type == ZYDIS_OPERAND_TYPE_REGISTER && first.type == ZYDIS_OPERAND_TYPE_REGISTER &&
            first.reg.value == second.reg.value && first.size >= 32 && GeneralRegister(first.reg.value) == kRbp) {
          return Emit(CodeOp::kZero, kRbp);
        }
        break;
      default: break;
    }
    KillWritten();
  }

  // True if the move is told in full.
  bool VisitMove(const ZydisDecodedOperand& to, const ZydisDecodedOperand& from) {
    if (IsWholeRegister(to)) {
      const uint8_t reg = *GeneralRegister(to.reg.value);
      if (IsWholeRegister(from)) {
        Set(reg, *GeneralRegister(from.reg.value), 0);
        return true;
      }
      if (from.type == ZYDIS_OPERAND_TYPE_IMMEDIATE && from.imm.value.u == 0 && reg == kRbp) {
        Emit(CodeOp::kZero, kRbp);
        return true;
      }
      const auto base = PlainBase(from);
      if (base && IsFrameOrHolder(*base) && (frame_stored_ || IsFrameOrHolder(reg))) {
        Emit(CodeOp::kLoad, reg, *base, from.mem.disp.value);
        Hold(reg);
        return true;
      }
      return false;
    }
    if (to.type == ZYDIS_OPERAND_TYPE_REGISTER && from.type == ZYDIS_OPERAND_TYPE_IMMEDIATE && from.imm.value.u == 0 &&
        to.size == 32 && GeneralRegister(to.reg.value) == kRbp) {
      Emit(CodeOp::kZero, kRbp);
      return true;
    }
    const auto base = PlainBase(to);
    if (base && IsWholeRegister(from)) {
      const uint8_t reg = *GeneralRegister(from.reg.value);
      if (!IsFrameOrHolder(*base) || !IsFrameOrHolder(reg)) return true;
      Emit(CodeOp::kStore, reg, *base, to.mem.disp.value);
      if (reg != kRbp) frame_stored_ = true;
      return true;
    }
    return false;
  }

  void KillWritten() {
    for (size_t i = 0; i < instruction_.operand_count; ++i) {
      const ZydisDecodedOperand& operand = operands_[i];
      if (operand.type != ZYDIS_OPERAND_TYPE_REGISTER || (operand.actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) == 0)
        continue;
      const auto reg = GeneralRegister(operand.reg.value);
      if (reg && IsFrameOrHolder(*reg)) Emit(CodeOp::kKill, *reg);
    }
  }

  std::span<const std::byte> code_;
  ElfAddress begin_;
  std::span<const uint32_t> known_;
  size_t next_known_ = 0;
  size_t at_ = 0;
  bool stopped_ = true;      // the instruction before doesn't go on
  bool after_call_ = false;  // the instruction before is a call
  bool padding_ = false;     // and padding came since
  uint16_t holders_ = 0;
  bool frame_stored_ = false;                            // a holder's value was stored in this region
  CodeEvent copied_{.op = CodeOp::kLoad, .base = kRsp};  // by the last `mov reg, [rsp + …]`
  uint64_t copied_at_ = 0;                               // number of that instruction
  std::array<ElfAddress, 16> pointer_in_{};              // by the last `lea reg, [rip + …]`
  uint64_t table_loaded_at_ = 0;                         // number of the instruction that read table_; 0 for none
  uint8_t table_register_ = 0;
  ElfAddress table_;
  ElfAddress table_base_;
  ZydisDecoder decoder_;
  ZydisDecoderContext context_;
  ZydisDecodedInstruction instruction_;
  ZydisDecodedOperand operands_[ZYDIS_MAX_OPERAND_COUNT];
  CodeSweep out_;
};

}  // namespace

CodeSweep SweepCode(std::span<const std::byte> code, ElfAddress begin, std::span<const uint32_t> known) {
  return Sweeper(code, begin, known).Run();
}

}  // namespace kiln::symbolizer
