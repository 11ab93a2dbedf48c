// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/unwind/cfi_expression.h"

#include <array>
#include <optional>

#include "symbolizer/unwind/dwarf_reader.h"

namespace kiln::symbolizer {
namespace {

using Form = CfiFormula::Form;

// DWARF 5, table 7.9.
enum Operation : uint8_t {
  kOpDeref = 0x06,
  kOpConst1u = 0x08,
  kOpConst1s = 0x09,
  kOpConst2u = 0x0a,
  kOpConst2s = 0x0b,
  kOpConst4u = 0x0c,
  kOpConst4s = 0x0d,
  kOpConst8u = 0x0e,
  kOpConst8s = 0x0f,
  kOpConstu = 0x10,
  kOpConsts = 0x11,
  kOpDup = 0x12,
  kOpDrop = 0x13,
  kOpOver = 0x14,
  kOpSwap = 0x16,
  kOpRot = 0x17,
  kOpAnd = 0x1a,
  kOpMinus = 0x1c,
  kOpMul = 0x1e,
  kOpPlus = 0x22,
  kOpPlusUconst = 0x23,
  kOpShl = 0x24,
  kOpGe = 0x2a,
  kOpLit0 = 0x30,
  kOpLit31 = 0x4f,
  kOpBreg0 = 0x70,
  kOpBreg31 = 0x8f,
  kOpBregx = 0x92,
  kOpNop = 0x96,
};

int64_t WrappingAdd(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
}
int64_t WrappingNegate(int64_t a) { return static_cast<int64_t>(-static_cast<uint64_t>(a)); }

CfiFormula Constant(int64_t value) { return {.form = Form::kConstant, .offset = value}; }

CfiFormula AddConstant(CfiFormula formula, int64_t value) {
  switch (formula.form) {
    case Form::kConstant:
    case Form::kRegister:
    case Form::kIndexedRegister:
    case Form::kCfa:
    case Form::kPlt: formula.offset = WrappingAdd(formula.offset, value); return formula;
    case Form::kDerefRegister:
    case Form::kDerefIndexed:
    case Form::kDerefCfa: formula.second = WrappingAdd(formula.second, value); return formula;
    default: return {};
  }
}

CfiFormula Add(const CfiFormula& a, const CfiFormula& b) {
  if (b.form == Form::kConstant) return AddConstant(a, b.offset);
  if (a.form == Form::kConstant) return AddConstant(b, a.offset);
  const CfiFormula& base = a.form == Form::kRegister ? a : b;
  const CfiFormula& step = a.form == Form::kRegister ? b : a;
  if (base.form == Form::kRegister && step.form == Form::kScaledRegister) {
    return {.form = Form::kIndexedRegister, .reg = base.reg, .offset = base.offset, .index = step.index};
  }
  if (base.form != Form::kRegister || step.form != Form::kPcStep) return {};
  return {.form = Form::kPlt, .reg = base.reg, .offset = base.offset, .second = step.second};
}

CfiFormula Deref(const CfiFormula& address) {
  switch (address.form) {
    case Form::kRegister: return {.form = Form::kDerefRegister, .reg = address.reg, .offset = address.offset};
    case Form::kIndexedRegister:
      return {.form = Form::kDerefIndexed, .reg = address.reg, .offset = address.offset, .index = address.index};
    case Form::kCfa: return {.form = Form::kDerefCfa, .offset = address.offset};
    default: return {};
  }
}

class Evaluation {
 public:
  Evaluation(std::span<const std::byte> expression, uint64_t program_counter_register)
      : reader_(expression), program_counter_register_(program_counter_register) {}

  bool Push(const CfiFormula& value) {
    if (depth_ == stack_.size()) return false;
    stack_[depth_++] = value;
    return true;
  }
  // False for operations that are unknown, and for damage.
  bool Run() {
    uint8_t operation = 0;
    while (reader_.Read(operation)) {
      if (!Step(operation)) return false;
    }
    return true;
  }
  CfiFormula Top() const { return depth_ == 0 ? CfiFormula{} : stack_[depth_ - 1]; }

 private:
  template <typename T>
  bool PushFixed() {
    T value;
    return reader_.Read(value) && Push(Constant(static_cast<int64_t>(value)));
  }

  bool PushRegister(uint64_t reg) {
    int64_t offset = 0;
    if (!ReadSleb128(reader_, offset)) return false;
    return Push({.form = Form::kRegister, .reg = reg, .offset = offset});
  }

  std::optional<CfiFormula> Pop() {
    if (depth_ == 0) return std::nullopt;
    return stack_[--depth_];
  }

  bool Step(uint8_t operation) {
    if (operation >= kOpLit0 && operation <= kOpLit31) return Push(Constant(operation - kOpLit0));
    if (operation >= kOpBreg0 && operation <= kOpBreg31) return PushRegister(operation - kOpBreg0);
    uint64_t number = 0;
    int64_t signed_number = 0;
    switch (operation) {
      case kOpNop: return true;
      case kOpBregx: return ReadUleb128(reader_, number) && PushRegister(number);
      case kOpConst1u: return PushFixed<uint8_t>();
      case kOpConst1s: return PushFixed<int8_t>();
      case kOpConst2u: return PushFixed<uint16_t>();
      case kOpConst2s: return PushFixed<int16_t>();
      case kOpConst4u: return PushFixed<uint32_t>();
      case kOpConst4s: return PushFixed<int32_t>();
      case kOpConst8u:
      case kOpConst8s: return PushFixed<int64_t>();
      case kOpConstu: return ReadUleb128(reader_, number) && Push(Constant(static_cast<int64_t>(number)));
      case kOpConsts: return ReadSleb128(reader_, signed_number) && Push(Constant(signed_number));
      default: return Operate(operation);
    }
  }

  // Operations on what is on the stack.
  bool Operate(uint8_t operation) {
    uint64_t number = 0;
    const std::optional<CfiFormula> top = Pop();
    if (!top) return false;
    switch (operation) {
      case kOpDrop: return true;
      case kOpDup: return Push(*top) && Push(*top);
      case kOpDeref: return Push(Deref(*top));
      case kOpPlusUconst: return ReadUleb128(reader_, number) && Push(AddConstant(*top, static_cast<int64_t>(number)));
      default: break;
    }
    const std::optional<CfiFormula> below = Pop();
    if (!below) return false;
    switch (operation) {
      case kOpOver: return Push(*below) && Push(*top) && Push(*below);
      case kOpSwap: return Push(*top) && Push(*below);
      case kOpPlus: return Push(Add(*below, *top));
      case kOpMinus: return top->form == Form::kConstant && Push(AddConstant(*below, WrappingNegate(top->offset)));
      case kOpMul: return Push(Multiply(*below, *top));
      case kOpAnd: return Push(And(*below, *top));
      case kOpGe: return Push(AtLeast(*below, *top));
      case kOpShl: return Push(ShiftLeft(*below, *top));
      case kOpRot: {
        const std::optional<CfiFormula> third = Pop();
        return third && Push(*top) && Push(*third) && Push(*below);
      }
      default: return false;
    }
  }

  // The linkers' expression for .plt: how far the stub at a multiple of 16 has come tells what it has pushed.
  CfiFormula And(const CfiFormula& value, const CfiFormula& mask) const {
    if (mask.form != Form::kConstant) return {};
    if (value.form == Form::kConstant) return Constant(value.offset & mask.offset);
    const bool is_program_counter = value.form == Form::kRegister && value.reg == program_counter_register_;
    if (!is_program_counter || value.offset != 0 || mask.offset != 15) return {};
    return {.form = Form::kProgramCounter16};
  }
  static CfiFormula AtLeast(const CfiFormula& value, const CfiFormula& bound) {
    if (value.form != Form::kProgramCounter16 || bound.form != Form::kConstant) return {};
    return {.form = Form::kPcAtLeast, .second = bound.offset};
  }
  static CfiFormula ShiftLeft(const CfiFormula& value, const CfiFormula& bits) {
    if (bits.form != Form::kConstant || bits.offset != 3) return {};
    if (value.form == Form::kRegister) return Scale(value);
    if (value.form != Form::kPcAtLeast) return {};
    return {.form = Form::kPcStep, .second = value.second};
  }

  // OpenSSL's frames for numbers of any length: the caller's stack pointer lies behind the number.
  static CfiFormula Multiply(const CfiFormula& a, const CfiFormula& b) {
    const CfiFormula eight = Constant(8);
    return b == eight ? Scale(a) : a == eight ? Scale(b) : CfiFormula{};
  }
  static CfiFormula Scale(const CfiFormula& value) {
    if (value.form != Form::kRegister || value.offset != 0) return {};
    return {.form = Form::kScaledRegister, .index = value.reg};
  }

  ByteReader reader_;
  uint64_t program_counter_register_;
  std::array<CfiFormula, 16> stack_;
  size_t depth_ = 0;
};

}  // namespace

CfiFormula EvaluateCfiExpression(std::span<const std::byte> expression, uint64_t program_counter_register,
                                 bool starts_with_cfa) {
  Evaluation evaluation(expression, program_counter_register);
  if (starts_with_cfa) evaluation.Push({.form = Form::kCfa});
  return evaluation.Run() ? evaluation.Top() : CfiFormula{};
}

}  // namespace kiln::symbolizer
