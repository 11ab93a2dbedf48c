// SPDX-License-Identifier: Apache-2.0
// DWARF expressions in call frame information, run with unknowns instead of registers and memory. Compilers and linkers
// write a few families of them; what such an expression computes is a short formula, whatever way it is written.
//
// DWARF 5, section 2.5 (operations) and 6.4.2 (which are allowed here).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace kiln::symbolizer {

// The value of an expression. Registers are DWARF numbers.
struct CfiFormula {
  enum class Form : uint8_t {
    kUnknown,           // anything else
    kConstant,          // offset
    kRegister,          // reg + offset
    kCfa,               // CFA + offset
    kScaledRegister,    // 8 * index
    kIndexedRegister,   // reg + 8 * index + offset
    kDerefRegister,     // *(reg + offset) + second
    kDerefIndexed,      // *(reg + 8 * index + offset) + second
    kDerefCfa,          // *(CFA + offset) + second
    kPlt,               // reg + offset + (8 if (program counter & 15) >= second, else 0)
    kProgramCounter16,  // program counter & 15
    kPcAtLeast,         // (program counter & 15) >= second, as 0 or 1
    kPcStep,            // 8 times that
  };
  Form form = Form::kUnknown;
  uint64_t reg = 0;
  int64_t offset = 0;
  int64_t second = 0;
  uint64_t index = 0;  // of a register

  friend bool operator==(const CfiFormula&, const CfiFormula&) = default;
};

// `program_counter_register`: the DWARF number by which expressions of this machine name the program counter (the
// return column on x86-64), or another one that doesn't occur. `starts_with_cfa`: the CFA is on the stack in the
// beginning, as for registers. No allocation; ends after the bytes of the expression.
CfiFormula EvaluateCfiExpression(std::span<const std::byte> expression, uint64_t program_counter_register,
                                 bool starts_with_cfa);

}  // namespace kiln::symbolizer
