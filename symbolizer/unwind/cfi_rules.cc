// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/unwind/cfi_rules.h"

#include <limits>

#include "symbolizer/unwind/cfi_expression.h"
#include "symbolizer/unwind/row.h"

namespace kiln::symbolizer {
namespace {

using Kind = CfiRegisterRule::Kind;
using Form = CfiFormula::Form;

// Offsets in struct ucontext of the kernel (arch/x86/include/uapi/asm/sigcontext.h): what CFI of a trampoline refers
// to.
constexpr int64_t kX86SavedSp = 160;
constexpr int64_t kX86SavedIp = 168;

bool Narrow(int64_t value, int32_t& out) {
  if (value < std::numeric_limits<int32_t>::min() || value > std::numeric_limits<int32_t>::max()) return false;
  out = static_cast<int32_t>(value);
  return true;
}

// Where a register's value is, as a rule says it.
struct Value {
  uint8_t kind = KILN_VALUE_LOST;
  uint8_t reg = 0;
  int32_t offset = 0;
  bool expressible = true;
};
constexpr Value kInexpressible = {.expressible = false};

Value Relative(kiln_value_kind kind, int64_t offset) {
  Value value{.kind = static_cast<uint8_t>(kind)};
  return Narrow(offset, value.offset) ? value : kInexpressible;
}

Value OfRegister(const UnwindMachine& machine, kiln_value_kind kind, uint64_t dwarf_register, int64_t offset) {
  const std::optional<uint8_t> reg = machine.FromDwarf(dwarf_register);
  Value value{.kind = static_cast<uint8_t>(kind)};
  if (!reg || !Narrow(offset, value.offset)) return kInexpressible;
  value.reg = *reg;
  return value;
}

// What lies at the address that `formula` computes.
Value ValueAt(const UnwindMachine& machine, const CfiFormula& formula) {
  switch (formula.form) {
    case Form::kCfa: return Relative(KILN_VALUE_AT_CFA, formula.offset);
    case Form::kRegister: return OfRegister(machine, KILN_VALUE_DEREF, formula.reg, formula.offset);
    default: return kInexpressible;
  }
}

// What `formula` computes itself.
Value ValueOf(const UnwindMachine& machine, const CfiFormula& formula) {
  switch (formula.form) {
    case Form::kCfa: return Relative(KILN_VALUE_CFA, formula.offset);
    case Form::kRegister:
      return OfRegister(machine, formula.offset == 0 ? KILN_VALUE_REGISTER : KILN_VALUE_OF_REGISTER, formula.reg,
                        formula.offset);
    case Form::kDerefCfa: return formula.second == 0 ? Relative(KILN_VALUE_AT_CFA, formula.offset) : kInexpressible;
    case Form::kDerefRegister:
      return formula.second == 0 ? OfRegister(machine, KILN_VALUE_DEREF, formula.reg, formula.offset) : kInexpressible;
    default: return kInexpressible;
  }
}

// `own`: the register's own number, so that "in itself" is recognised.
Value ValueFromRule(const UnwindMachine& machine, const CfiRegisterRule& rule, uint64_t own) {
  switch (rule.kind) {
    case Kind::kUnspecified:
    case Kind::kSameValue: return {.kind = KILN_VALUE_SAME};
    case Kind::kUndefined: return {.kind = KILN_VALUE_LOST};
    case Kind::kOffset: return Relative(KILN_VALUE_AT_CFA, rule.number);
    case Kind::kValOffset: return Relative(KILN_VALUE_CFA, rule.number);
    case Kind::kRegister: {
      const auto source = static_cast<uint64_t>(rule.number);
      if (source == own) return {.kind = KILN_VALUE_SAME};
      return OfRegister(machine, KILN_VALUE_REGISTER, source, 0);
    }
    case Kind::kExpression: return ValueAt(machine, EvaluateCfiExpression(rule.expression, machine.dwarf_ra, true));
    case Kind::kValExpression: {
      const CfiFormula formula = EvaluateCfiExpression(rule.expression, machine.dwarf_ra, true);
      if (formula == CfiFormula{.form = Form::kRegister, .reg = own}) return {.kind = KILN_VALUE_SAME};
      return ValueOf(machine, formula);
    }
  }
  return kInexpressible;
}

// The CFA part of `rule`; the issue if there is no such part.
std::optional<UnwindIssue> SetCfa(const UnwindMachine& machine, const CfiFormula& formula, kiln_rule& rule) {
  switch (formula.form) {
    case Form::kRegister: rule.cfa_kind = KILN_CFA_REGISTER; break;
    case Form::kDerefRegister: rule.cfa_kind = KILN_CFA_DEREF; break;
    case Form::kPlt: rule.cfa_kind = KILN_CFA_PLT; break;
    case Form::kDerefIndexed: rule.cfa_kind = KILN_CFA_INDEXED; break;
    default: return UnwindIssue::kCfaExpression;
  }
  const std::optional<uint8_t> reg = machine.FromDwarf(formula.reg);
  if (!reg) return UnwindIssue::kCfaRegister;
  rule.cfa_register = *reg;
  if (formula.form == Form::kDerefIndexed) {
    const std::optional<uint8_t> index = machine.FromDwarf(formula.index);
    if (!index) return UnwindIssue::kCfaRegister;
    rule.cfa_index = *index;
  }
  if (!Narrow(formula.offset, rule.cfa_offset) || !Narrow(formula.second, rule.cfa_second)) return UnwindIssue::kOffset;
  return std::nullopt;
}

CfiFormula CfaFormula(const UnwindMachine& machine, const CfaRule& cfa) {
  switch (cfa.kind) {
    case CfaRule::Kind::kNone: return {};
    case CfaRule::Kind::kRegister: return {.form = Form::kRegister, .reg = cfa.reg, .offset = cfa.offset};
    case CfaRule::Kind::kExpression: return EvaluateCfiExpression(cfa.expression, machine.dwarf_ra, false);
  }
  return {};
}

// How the caller's stack pointer is computed: as the CFA, unless something else is said. kUnknown if it can't be said.
CfiFormula StackPointerFormula(const UnwindMachine& machine, const CfiRegisterRule& sp, const CfiFormula& cfa) {
  const auto of_register = [](uint64_t reg) { return CfiFormula{.form = Form::kRegister, .reg = reg}; };
  const auto evaluate = [&] { return EvaluateCfiExpression(sp.expression, machine.dwarf_ra, true); };
  switch (sp.kind) {
    case Kind::kUnspecified: return cfa;
    case Kind::kSameValue: return of_register(machine.dwarf_sp);
    case Kind::kValOffset: return sp.number == 0 ? cfa : CfiFormula{};
    case Kind::kRegister: return of_register(static_cast<uint64_t>(sp.number));
    case Kind::kValExpression: {
      const CfiFormula formula = evaluate();
      return formula == CfiFormula{.form = Form::kCfa} ? cfa : formula;
    }
    case Kind::kExpression: {
      const CfiFormula at = evaluate();
      if (at.form != Form::kRegister) return {};
      return {.form = Form::kDerefRegister, .reg = at.reg, .offset = at.offset};
    }
    default: return {};
  }
}

bool IsRelativeToCfa(const Value& value) { return value.kind == KILN_VALUE_AT_CFA || value.kind == KILN_VALUE_CFA; }

// x86-64: CFI of a trampoline finds SP and the program counter in the ucontext that begins at the offset returned.
std::optional<int32_t> SignalStateOffset(const UnwindMachine& machine, const CfiState& state, const CfiFormula& cfa) {
  const CfiRegisterRule& ra = state[CfiColumn::kRa];
  if (!machine.is_x86() || cfa.form != Form::kDerefRegister || cfa.reg != machine.dwarf_sp || cfa.second != 0) {
    return std::nullopt;
  }
  if (ra.kind != Kind::kExpression) return std::nullopt;
  const CfiFormula at = EvaluateCfiExpression(ra.expression, machine.dwarf_ra, true);
  const int64_t begin = static_cast<int64_t>(static_cast<uint64_t>(cfa.offset) - static_cast<uint64_t>(kX86SavedSp));
  int32_t result = 0;
  if (at.form != Form::kRegister || at.reg != machine.dwarf_sp || !Narrow(begin, result) ||
      at.offset != begin + kX86SavedIp) {
    return std::nullopt;
  }
  return result;
}

}  // namespace

kiln_rule SignalTrampolineRule(const UnwindMachine& machine) {
  return {.cfa_kind = KILN_CFA_SIGNAL,
          .cfa_register = machine.sp,
          .flags = KILN_RULE_SIGNAL_FRAME,
          .cfa_offset = machine.signal_state_offset};
}

kiln_rule RuleFromState(const UnwindMachine& machine, const CfiState& state, bool keeps_tracked, bool signal_frame,
                        UnwindCounts& counts) {
  const auto refuse = [&](UnwindIssue issue) {
    counts.Count(issue);
    return SpecialRule(KILN_SPECIAL_INEXPRESSIBLE);
  };
  const CfiRegisterRule& ra_rule = state[CfiColumn::kRa];
  if (ra_rule.kind == Kind::kUndefined) return SpecialRule(KILN_SPECIAL_ROOT);

  kiln_rule rule{};
  const CfiFormula cfa = CfaFormula(machine, state.cfa);
  if (signal_frame) {
    rule.flags = KILN_RULE_SIGNAL_FRAME;
    if (const std::optional<int32_t> offset = SignalStateOffset(machine, state, cfa)) {
      rule = SignalTrampolineRule(machine);
      rule.cfa_offset = *offset;
      return rule;
    }
  }
  // A rule makes the CFA the caller's stack pointer. Where the two differ (longjmp) the stack pointer is what matters,
  // if nothing else hangs on the CFA.
  const CfiFormula sp = StackPointerFormula(machine, state[CfiColumn::kSp], cfa);
  if (cfa.form != Form::kUnknown && sp.form == Form::kUnknown) return refuse(UnwindIssue::kStackPointer);
  if (const auto issue = SetCfa(machine, sp, rule)) return refuse(*issue);
  const bool only_sp = sp != cfa;

  const Value ra = ValueFromRule(machine, ra_rule, machine.dwarf_ra);
  if (!ra.expressible) return refuse(UnwindIssue::kReturnAddress);
  // Only where calls leave it in a register can it be there still.
  if (ra.kind == KILN_VALUE_SAME && machine.is_x86()) return refuse(UnwindIssue::kReturnAddressMissing);
  if (only_sp && IsRelativeToCfa(ra)) return refuse(UnwindIssue::kStackPointer);
  rule.ra_kind = ra.kind;
  rule.ra_register = ra.reg;
  rule.ra_offset = ra.offset;

  Value fp = ValueFromRule(machine, state[CfiColumn::kFp], machine.dwarf_fp);
  if (only_sp && IsRelativeToCfa(fp)) fp = kInexpressible;
  if (!fp.expressible) counts.Count(UnwindIssue::kFramePointer);
  rule.fp_kind = fp.kind;
  rule.fp_register = fp.reg;
  rule.fp_offset = fp.offset;

  if (keeps_tracked) {
    const CfiRegisterRule& tracked = state[CfiColumn::kTracked];
    const Value other = ValueFromRule(machine, tracked, kNoDwarfRegister);
    const bool holds = other.kind == KILN_VALUE_SAME || (other.kind == KILN_VALUE_AT_CFA && !only_sp);
    if (!holds && tracked.kind != Kind::kUndefined) counts.Count(UnwindIssue::kTracked);
    rule.other_kind = holds ? other.kind : static_cast<uint8_t>(KILN_VALUE_LOST);
    rule.other_offset = holds ? other.offset : 0;
  }
  return rule;
}

}  // namespace kiln::symbolizer
