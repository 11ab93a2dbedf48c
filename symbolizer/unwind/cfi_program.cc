// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/unwind/cfi_program.h"

namespace kiln::symbolizer {
namespace {

using Kind = CfiRegisterRule::Kind;

// DWARF 5, table 7.29. The first three have their operand in the low six bits.
enum Instruction : uint8_t {
  kAdvanceLoc = 0x40,
  kOffset = 0x80,
  kRestore = 0xc0,
  kPrimaryMask = 0xc0,
  kNop = 0x00,
  kSetLoc = 0x01,
  kAdvanceLoc1 = 0x02,
  kAdvanceLoc2 = 0x03,
  kAdvanceLoc4 = 0x04,
  kOffsetExtended = 0x05,
  kRestoreExtended = 0x06,
  kUndefined = 0x07,
  kSameValue = 0x08,
  kRegister = 0x09,
  kRememberState = 0x0a,
  kRestoreState = 0x0b,
  kDefCfa = 0x0c,
  kDefCfaRegister = 0x0d,
  kDefCfaOffset = 0x0e,
  kDefCfaExpression = 0x0f,
  kExpression = 0x10,
  kOffsetExtendedSf = 0x11,
  kDefCfaSf = 0x12,
  kDefCfaOffsetSf = 0x13,
  kValOffset = 0x14,
  kValOffsetSf = 0x15,
  kValExpression = 0x16,
  kAdvanceLoc8 = 0x1d,
  // Arm: signing of the return address begins or ends. The walk takes the signature off wherever it finds one.
  kNegateRaStateWithPc = 0x2c,
  kNegateRaState = 0x2d,
  kGnuArgsSize = 0x2e,  // for exceptions: how much the landing pad has to pop
  kGnuNegativeOffsetExtended = 0x2f,
};

// As the format's arithmetic goes: modulo 2^64.
int64_t Multiply(uint64_t a, int64_t b) { return static_cast<int64_t>(a * static_cast<uint64_t>(b)); }

}  // namespace

struct CfiProgram::Run {
  const Cie& cie;
  const CfiState* initial;  // nullptr while the CIE itself is run
  CfiState state;
  ByteReader reader;
  uint64_t section_offset;  // of byte 0 of the reader
  CfiStateSink* sink;
  uint64_t location;
  uint64_t end;
  size_t remembered = 0;
  bool changed = true;  // since the last state that was added
};

uint64_t CfiProgram::OffsetOf(std::span<const std::byte> part) const {
  return static_cast<uint64_t>(part.data() - section_.bytes().data());
}

std::optional<UnwindIssue> CfiProgram::RunCie(const Cie& cie, CfiState& initial) {
  Run run{.cie = cie,
          .initial = nullptr,
          .state = {},
          .reader = ByteReader(cie.instructions),
          .section_offset = OffsetOf(cie.instructions),
          .sink = nullptr,
          .location = 0,
          .end = 0};
  const std::optional<UnwindIssue> issue = Execute(run);
  initial = run.state;
  return issue;
}

std::optional<UnwindIssue> CfiProgram::RunFde(const Cie& cie, const CfiState& initial, const Fde& fde,
                                              CfiStateSink& sink, uint64_t& failed_at) {
  Run run{.cie = cie,
          .initial = &initial,
          .state = initial,
          .reader = ByteReader(fde.instructions),
          .section_offset = OffsetOf(fde.instructions),
          .sink = &sink,
          .location = fde.begin,
          .end = fde.begin + fde.size};
  const std::optional<UnwindIssue> issue = Execute(run);
  if (issue) {
    failed_at = run.location;
  } else if (run.changed && run.location < run.end) {
    sink.Add(run.location, run.state);
  }
  return issue;
}

CfiRegisterRule* CfiProgram::Column(Run& run, uint64_t dwarf_register) {
  const auto at = [&](CfiColumn column) { return &run.state.columns[static_cast<size_t>(column)]; };
  if (dwarf_register == run.cie.return_column) return at(CfiColumn::kRa);
  if (dwarf_register == machine_.dwarf_fp) return at(CfiColumn::kFp);
  if (dwarf_register == machine_.dwarf_sp) return at(CfiColumn::kSp);
  if (dwarf_register == tracked_) return at(CfiColumn::kTracked);
  return nullptr;
}

void CfiProgram::Set(Run& run, uint64_t dwarf_register, Kind kind, int64_t number) {
  CfiRegisterRule* rule = Column(run, dwarf_register);
  if (rule == nullptr) return;
  *rule = {.kind = kind, .number = number, .expression = {}};
  run.changed = true;
}

void CfiProgram::Restore(Run& run, uint64_t dwarf_register) {
  CfiRegisterRule* rule = Column(run, dwarf_register);
  if (rule == nullptr) return;
  *rule = run.initial->columns[static_cast<size_t>(rule - run.state.columns.data())];
  run.changed = true;
}

std::optional<UnwindIssue> CfiProgram::Advance(Run& run, uint64_t delta) {
  // A step beyond the end of the address space is one beyond the end of the FDE.
  uint64_t bytes = 0;
  uint64_t location = 0;
  if (__builtin_mul_overflow(delta, run.cie.code_alignment, &bytes) ||
      __builtin_add_overflow(run.location, bytes, &location)) {
    location = run.end;
  }
  return MoveTo(run, location);
}

std::optional<UnwindIssue> CfiProgram::MoveTo(Run& run, uint64_t location) {
  if (run.sink == nullptr) return UnwindIssue::kInstructionMisplaced;
  if (location < run.location) return UnwindIssue::kLocationBackwards;
  if (location == run.location) return std::nullopt;
  if (run.changed && run.location < run.end) run.sink->Add(run.location, run.state);
  run.changed = false;
  run.location = run.sink->IsFull() ? run.end : location;
  return std::nullopt;
}

std::optional<UnwindIssue> CfiProgram::Execute(Run& run) {
  uint8_t opcode = 0;
  // What stands behind the end of the code is no more looked at.
  while ((run.sink == nullptr || run.location < run.end) && run.reader.Read(opcode)) {
    const uint8_t operand = opcode & ~kPrimaryMask;
    std::optional<UnwindIssue> issue;
    uint64_t factor = 0;
    switch (opcode & kPrimaryMask) {
      case kAdvanceLoc: issue = Advance(run, operand); break;
      case kOffset:
        if (!ReadUleb128(run.reader, factor)) return UnwindIssue::kInstructionCut;
        Set(run, operand, Kind::kOffset, Multiply(factor, run.cie.data_alignment));
        break;
      case kRestore:
        if (run.initial == nullptr) return UnwindIssue::kInstructionMisplaced;
        Restore(run, operand);
        break;
      default: issue = ExecuteExtended(run, opcode);
    }
    if (issue) return issue;
  }
  return std::nullopt;
}

std::optional<UnwindIssue> CfiProgram::ExecuteExtended(Run& run, uint8_t opcode) {
  ByteReader& reader = run.reader;
  CfaRule& cfa = run.state.cfa;
  const int64_t data_alignment = run.cie.data_alignment;
  constexpr auto kCut = UnwindIssue::kInstructionCut;
  uint64_t reg = 0;
  uint64_t number = 0;
  int64_t signed_number = 0;
  const auto read_register_and_number = [&] { return ReadUleb128(reader, reg) && ReadUleb128(reader, number); };
  const auto read_register_and_signed = [&] { return ReadUleb128(reader, reg) && ReadSleb128(reader, signed_number); };
  const auto define_cfa = [&](uint64_t cfa_register, int64_t offset) {
    cfa = {.kind = CfaRule::Kind::kRegister, .reg = cfa_register, .offset = offset, .expression = {}};
    run.changed = true;
  };
  switch (opcode) {
    case kNop:
    case kNegateRaState:
    case kNegateRaStateWithPc: return std::nullopt;
    case kGnuArgsSize: return ReadUleb128(reader, number) ? std::nullopt : std::optional(kCut);

    case kSetLoc: {
      PointerBases bases = section_.bases();
      // The reader is over the instructions; pointers are relative to where they are in the section.
      bases.pc = section_.address().value() + run.section_offset;
      if (!ReadPointer(reader, run.cie.pointer_encoding, bases, number)) return UnwindIssue::kPointerEncoding;
      return MoveTo(run, number);
    }
    case kAdvanceLoc1: {
      uint8_t delta = 0;
      return reader.Read(delta) ? Advance(run, delta) : kCut;
    }
    case kAdvanceLoc2: {
      uint16_t delta = 0;
      return reader.Read(delta) ? Advance(run, delta) : kCut;
    }
    case kAdvanceLoc4: {
      uint32_t delta = 0;
      return reader.Read(delta) ? Advance(run, delta) : kCut;
    }
    case kAdvanceLoc8: return reader.Read(number) ? Advance(run, number) : kCut;

    case kDefCfa:
      if (!read_register_and_number()) return kCut;
      define_cfa(reg, static_cast<int64_t>(number));
      return std::nullopt;
    case kDefCfaSf:
      if (!read_register_and_signed()) return kCut;
      define_cfa(reg, Multiply(static_cast<uint64_t>(signed_number), data_alignment));
      return std::nullopt;
    case kDefCfaRegister:
      if (!ReadUleb128(reader, reg)) return kCut;
      // Hand-written code goes back from an expression to a register; the offset is the last one that was set.
      if (cfa.kind == CfaRule::Kind::kNone) return UnwindIssue::kInstructionMisplaced;
      define_cfa(reg, cfa.offset);
      return std::nullopt;
    case kDefCfaOffset:
    case kDefCfaOffsetSf:
      if (!(opcode == kDefCfaOffset ? ReadUleb128(reader, number) : ReadSleb128(reader, signed_number))) return kCut;
      if (cfa.kind != CfaRule::Kind::kRegister) return UnwindIssue::kInstructionMisplaced;
      define_cfa(cfa.reg, opcode == kDefCfaOffset ? static_cast<int64_t>(number)
                                                  : Multiply(static_cast<uint64_t>(signed_number), data_alignment));
      return std::nullopt;
    case kDefCfaExpression: {
      if (!ReadUleb128(reader, number)) return kCut;
      const auto expression = reader.Bytes(number);
      if (!expression) return kCut;
      cfa.kind = CfaRule::Kind::kExpression;
      cfa.expression = *expression;
      run.changed = true;
      return std::nullopt;
    }

    case kOffsetExtended:
    case kGnuNegativeOffsetExtended:
    case kValOffset: {
      if (!read_register_and_number()) return kCut;
      const int64_t offset = Multiply(opcode == kGnuNegativeOffsetExtended ? -number : number, data_alignment);
      Set(run, reg, opcode == kValOffset ? Kind::kValOffset : Kind::kOffset, offset);
      return std::nullopt;
    }
    case kOffsetExtendedSf:
    case kValOffsetSf:
      if (!read_register_and_signed()) return kCut;
      Set(run, reg, opcode == kValOffsetSf ? Kind::kValOffset : Kind::kOffset,
          Multiply(static_cast<uint64_t>(signed_number), data_alignment));
      return std::nullopt;
    case kRestoreExtended:
      if (!ReadUleb128(reader, reg)) return kCut;
      if (run.initial == nullptr) return UnwindIssue::kInstructionMisplaced;
      Restore(run, reg);
      return std::nullopt;
    case kUndefined:
    case kSameValue:
      if (!ReadUleb128(reader, reg)) return kCut;
      Set(run, reg, opcode == kUndefined ? Kind::kUndefined : Kind::kSameValue, 0);
      return std::nullopt;
    case kRegister:
      if (!read_register_and_number()) return kCut;
      Set(run, reg, Kind::kRegister, static_cast<int64_t>(number));
      return std::nullopt;
    case kExpression:
    case kValExpression: {
      if (!read_register_and_number()) return kCut;
      const auto expression = reader.Bytes(number);
      if (!expression) return kCut;
      Set(run, reg, opcode == kExpression ? Kind::kExpression : Kind::kValExpression, 0);
      if (CfiRegisterRule* rule = Column(run, reg)) rule->expression = *expression;
      return std::nullopt;
    }

    case kRememberState:
      if (run.remembered == remembered_.size()) return UnwindIssue::kStateStack;
      remembered_[run.remembered++] = run.state;
      return std::nullopt;
    case kRestoreState:
      if (run.remembered == 0) return UnwindIssue::kStateStack;
      run.state = remembered_[--run.remembered];
      run.changed = true;
      return std::nullopt;
    default: return UnwindIssue::kInstruction;
  }
}

}  // namespace kiln::symbolizer
