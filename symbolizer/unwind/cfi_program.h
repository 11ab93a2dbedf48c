// SPDX-License-Identifier: Apache-2.0
// Runs call frame instructions: from a CIE and an FDE to the state of the frame at each place of the code.
//
// Format: DWARF 5, sections 6.4.2 and 7.24; vendor instructions of GCC and of the Arm ABI.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "symbolizer/unwind/cfi_section.h"
#include "symbolizer/unwind/machine.h"

namespace kiln::symbolizer {

// Where the caller's value of a register is (DWARF 5, section 6.4.1).
struct CfiRegisterRule {
  enum class Kind : uint8_t {
    kUnspecified,
    kUndefined,
    kSameValue,
    kOffset,         // at CFA + number
    kValOffset,      // is CFA + number
    kRegister,       // in DWARF register `number`
    kExpression,     // at the value of `expression`
    kValExpression,  // is the value of `expression`
  };
  Kind kind = Kind::kUnspecified;
  int64_t number = 0;
  std::span<const std::byte> expression;
};

struct CfaRule {
  enum class Kind : uint8_t { kNone, kRegister, kExpression };
  Kind kind = Kind::kNone;
  uint64_t reg = 0;    // DWARF number
  int64_t offset = 0;  // kept while an expression is in force
  std::span<const std::byte> expression;
};

// The registers whose rules are kept.
enum class CfiColumn : uint8_t { kFp, kRa, kSp, kTracked };
inline constexpr size_t kCfiColumns = 4;

struct CfiState {
  CfaRule cfa;
  std::array<CfiRegisterRule, kCfiColumns> columns;

  const CfiRegisterRule& operator[](CfiColumn column) const { return columns[static_cast<size_t>(column)]; }
};

// States that a program may remember at a time. Compilers nest them once; libgcc has no limit.
inline constexpr size_t kMaxRememberedStates = 32;

inline constexpr uint64_t kNoDwarfRegister = ~uint64_t{0};

// Takes the states of one FDE, in ascending order of `address`; each holds until the next one.
class CfiStateSink {
 public:
  virtual ~CfiStateSink() = default;
  virtual void Add(uint64_t address, const CfiState& state) = 0;
  // True if no state that may still come is of use: the program ends.
  virtual bool IsFull() const { return false; }
};

// Thread-compatible.
class CfiProgram {
 public:
  // Refers to both. `tracked`: DWARF number of the register in CfiColumn::kTracked, kNoDwarfRegister for none.
  CfiProgram(const UnwindMachine& machine, const CfiSection& section, uint64_t tracked)
      : machine_(machine), section_(section), tracked_(tracked) {}

  void Track(uint64_t dwarf_register) { tracked_ = dwarf_register; }

  // Runs the instructions of the CIE, whose state each of its FDEs starts with.
  std::optional<UnwindIssue> RunCie(const Cie& cie, CfiState& initial);
  // Adds the state at the FDE's begin, then at each place where a kept rule may change, all inside of the FDE. An issue
  // if the instructions can't be run to their end; `failed_at` is the address from which on nothing is known then.
  std::optional<UnwindIssue> RunFde(const Cie& cie, const CfiState& initial, const Fde& fde, CfiStateSink& sink,
                                    uint64_t& failed_at);

 private:
  struct Run;
  uint64_t OffsetOf(std::span<const std::byte> part) const;
  std::optional<UnwindIssue> Execute(Run& run);
  std::optional<UnwindIssue> ExecuteExtended(Run& run, uint8_t opcode);
  std::optional<UnwindIssue> Advance(Run& run, uint64_t delta);
  std::optional<UnwindIssue> MoveTo(Run& run, uint64_t location);
  CfiRegisterRule* Column(Run& run, uint64_t dwarf_register);
  void Set(Run& run, uint64_t dwarf_register, CfiRegisterRule::Kind kind, int64_t number);
  void Restore(Run& run, uint64_t dwarf_register);

  const UnwindMachine& machine_;
  const CfiSection& section_;
  uint64_t tracked_;
  std::array<CfiState, kMaxRememberedStates> remembered_;
};

}  // namespace kiln::symbolizer
