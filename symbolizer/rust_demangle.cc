// SPDX-License-Identifier: Apache-2.0
// Symbols of Rust. The v0 grammar is that of RFC 2603; the text is what rustc's own demangler prints in its short form:
// no crate hashes, no types of constant integers.
//
// A v0 symbol is printed while it is parsed, by one function per production. Back references jump back in the input,
// so they can make the output exponentially long: steps, depth and output are limited.
#include "symbolizer/rust_demangle.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstdint>
#include <utility>

#include "symbolizer/demangle.h"
#include "symbolizer/rust_identifier.h"

namespace kiln::symbolizer {
namespace {

constexpr int kMaxDepth = 192;
constexpr int kMaxSteps = 32 * 1024;
constexpr uint64_t kMaxBoundLifetimes = 256;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsUpper(char c) { return c >= 'A' && c <= 'Z'; }

std::string_view BasicType(char tag) {
  switch (tag) {
    case 'a': return "i8";
    case 'b': return "bool";
    case 'c': return "char";
    case 'd': return "f64";
    case 'e': return "str";
    case 'f': return "f32";
    case 'h': return "u8";
    case 'i': return "isize";
    case 'j': return "usize";
    case 'l': return "i32";
    case 'm': return "u32";
    case 'n': return "i128";
    case 'o': return "u128";
    case 'p': return "_";
    case 's': return "i16";
    case 't': return "u16";
    case 'u': return "()";
    case 'v': return "...";
    case 'x': return "i64";
    case 'y': return "u64";
    case 'z': return "!";
    default: return "";
  }
}

// After any failure Next() gives '\0' and nothing is printed, so productions run to their end without checks.
class V0 {
 public:
  explicit V0(std::string_view body) : in_(body) {}

  std::optional<std::string> Run() {
    if (!IsUpper(Peek())) return std::nullopt;  // a digit would be the number of an encoding that does not exist yet
    Path(true);
    if (!failed_ && at_ < in_.size()) Muted([this] { Path(false); });  // the crate that instantiated it
    if (failed_ || at_ != in_.size() || out_.empty()) return std::nullopt;
    return std::move(out_);
  }

 private:
  char Peek() const { return failed_ || at_ >= in_.size() ? '\0' : in_[at_]; }
  char Next() {
    const char c = Peek();
    if (c == '\0') {
      failed_ = true;
    } else {
      ++at_;
    }
    return c;
  }
  bool Eat(char c) {
    if (Peek() != c) return false;
    ++at_;
    return true;
  }

  void Print(std::string_view text) {
    if (failed_ || muted_) return;
    if (text.size() > kMaxDemangledBytes - out_.size()) {
      failed_ = true;
    } else {
      out_ += text;
    }
  }

  // Runs one production, unless a limit is reached.
  template <typename F>
  void Step(F production) {
    if (failed_ || depth_ == kMaxDepth || ++steps_ > kMaxSteps) {
      failed_ = true;
      return;
    }
    ++depth_;
    production();
    --depth_;
  }
  template <typename F>
  void Muted(F production) {
    const bool before = std::exchange(muted_, true);
    production();
    muted_ = before;
  }
  // Runs `item` up to the closing E; returns how often.
  template <typename F>
  size_t List(std::string_view separator, F item) {
    size_t count = 0;
    for (; !failed_ && !Eat('E'); ++count) {
      if (count != 0) Print(separator);
      item();
    }
    return count;
  }
  // Runs `production` at the position that a back reference names. Its own position is behind the B.
  template <typename F>
  void BackReference(F production) {
    const size_t limit = at_ - 1;
    const uint64_t target = Base62();
    if (target >= limit) failed_ = true;
    if (failed_ || muted_) return;
    const size_t resume = std::exchange(at_, target);
    Step(production);
    at_ = resume;
  }

  uint64_t Base62() {
    if (Eat('_')) return 0;
    uint64_t value = 0;
    for (char c; (c = Next()) != '_';) {
      const int digit = IsDigit(c) ? c - '0' : c >= 'a' && c <= 'z' ? c - 'a' + 10 : IsUpper(c) ? c - 'A' + 36 : -1;
      // Hashes of crates use all 64 bits.
      if (digit < 0 || __builtin_mul_overflow(value, 62, &value) ||
          __builtin_add_overflow(value, static_cast<uint64_t>(digit), &value) || value == UINT64_MAX) {
        failed_ = true;
      }
      if (failed_) return 0;
    }
    return value + 1;
  }
  uint64_t Disambiguator() { return Eat('s') ? Base62() + 1 : 0; }

  std::string Identifier() {
    const bool punycode = Eat('u');
    uint64_t length = 0;
    if (!IsDigit(Peek())) failed_ = true;
    if (!Eat('0')) {
      while (IsDigit(Peek()) && length < in_.size()) length = length * 10 + static_cast<uint64_t>(Next() - '0');
    }
    Eat('_');
    if (failed_ || length > in_.size() - at_) {
      failed_ = true;
      return "";
    }
    const std::string_view bytes = in_.substr(at_, length);
    at_ += length;
    if (!punycode) return std::string(bytes);
    return DecodePunycode(bytes).value_or(fmt::format("punycode{{{}}}", bytes));
  }

  void Path(bool in_value) {
    Step([&] { PathBody(in_value); });
  }

  void PathBody(bool in_value) {
    switch (const char tag = Next()) {
      case 'C':
        Disambiguator();
        Print(Identifier());
        return;
      case 'N': return NestedPath(in_value);
      case 'M':
      case 'X':
        Muted([this] {
          Disambiguator();
          Path(false);
        });
        [[fallthrough]];
      case 'Y':
        Print("<");
        Type();
        if (tag != 'M') {
          Print(" as ");
          Path(false);
        }
        Print(">");
        return;
      case 'I':
        Path(in_value);
        if (in_value) Print("::");
        Print("<");
        List(", ", [this] { GenericArgument(); });
        Print(">");
        return;
      case 'B': return BackReference([=, this] { PathBody(in_value); });
      default: failed_ = true;
    }
  }

  void NestedPath(bool in_value) {
    const char name_space = Next();
    Path(in_value);
    const uint64_t disambiguator = Disambiguator();
    const std::string name = Identifier();
    if (IsUpper(name_space)) {  // made by the compiler
      const std::string kind = name_space == 'C' ? "closure" : name_space == 'S' ? "shim" : std::string(1, name_space);
      Print(fmt::format("::{{{}{}{}#{}}}", kind, name.empty() ? "" : ":", name, disambiguator));
    } else if (!name.empty()) {
      Print("::");
      Print(name);
    }
  }

  void GenericArgument() {
    if (Eat('L')) return Lifetime(Base62());
    if (Eat('K')) return Const(false);
    Type();
  }

  void Lifetime(uint64_t index) {
    if (index == 0) return Print("'_");
    if (index > bound_lifetimes_) {
      failed_ = true;
      return;
    }
    const uint64_t depth = bound_lifetimes_ - index;
    Print(depth < 26 ? fmt::format("'{}", static_cast<char>('a' + depth)) : fmt::format("'_{}", depth));
  }

  template <typename F>
  void InBinder(F production) {
    const uint64_t count = Eat('G') ? Base62() + 1 : 0;
    if (count > kMaxBoundLifetimes) failed_ = true;
    if (failed_) return;
    const uint64_t before = bound_lifetimes_;
    if (count != 0) {
      Print("for<");
      for (uint64_t i = 0; i < count; ++i) {
        if (i != 0) Print(", ");
        ++bound_lifetimes_;
        Lifetime(1);
      }
      Print("> ");
    }
    production();
    bound_lifetimes_ = before;
  }

  void Type() {
    Step([this] { TypeBody(); });
  }

  void TypeBody() {
    const char tag = Peek();
    if (const std::string_view basic = BasicType(tag); !basic.empty()) {
      ++at_;
      return Print(basic);
    }
    if (std::string_view("CNMXYI").find(tag) != std::string_view::npos && tag != '\0') return Path(false);
    ++at_;
    switch (tag) {
      case 'R':
      case 'Q':
        Print("&");
        if (Eat('L')) {
          if (const uint64_t lifetime = Base62(); lifetime != 0) {
            Lifetime(lifetime);
            Print(" ");
          }
        }
        if (tag == 'Q') Print("mut ");
        return Type();
      case 'P':
      case 'O': Print(tag == 'P' ? "*const " : "*mut "); return Type();
      case 'A':
      case 'S':
        Print("[");
        Type();
        if (tag == 'A') {
          Print("; ");
          Const(true);
        }
        return Print("]");
      case 'T':
        Print("(");
        if (List(", ", [this] { Type(); }) == 1) Print(",");
        return Print(")");
      case 'F': return InBinder([this] { FunctionType(); });
      case 'D': return DynType();
      case 'B': return BackReference([this] { TypeBody(); });
      default: failed_ = true;
    }
  }

  void FunctionType() {
    if (Eat('U')) Print("unsafe ");
    if (Eat('K')) {
      std::string abi = "C";
      if (!Eat('C')) abi = Identifier();
      std::ranges::replace(abi, '_', '-');
      Print(fmt::format("extern \"{}\" ", abi));
    }
    Print("fn(");
    List(", ", [this] { Type(); });
    Print(")");
    if (Eat('u')) return;  // returns ()
    Print(" -> ");
    Type();
  }

  void DynType() {
    Print("dyn ");
    InBinder([this] {
      List(" + ", [this] {
        bool open = PathWithOpenGenerics();
        while (Eat('p')) {
          Print(open ? ", " : "<");
          open = true;
          Print(Identifier());
          Print(" = ");
          Type();
        }
        if (open) Print(">");
      });
    });
    if (!Eat('L')) failed_ = true;
    if (const uint64_t lifetime = Base62(); lifetime != 0) {
      Print(" + ");
      Lifetime(lifetime);
    }
  }

  // A path of a trait whose "<…" stays open, if it has one, for the bindings of its associated types.
  bool PathWithOpenGenerics() {
    bool open = false;
    if (Eat('B')) {
      BackReference([&] { open = PathWithOpenGenerics(); });
    } else if (Eat('I')) {
      Path(false);
      Print("<");
      List(", ", [this] { GenericArgument(); });
      open = true;
    } else {
      Path(false);
    }
    return open;
  }

  void Const(bool in_value) {
    Step([&] { ConstBody(in_value); });
  }

  void ConstBody(bool in_value) {
    const char tag = Next();
    if (tag == 'p') return Print("_");
    if (tag == 'B') return BackReference([=, this] { ConstBody(in_value); });
    if (tag == 'R' && Eat('e')) return StringConst();
    if (std::string_view("eRQATV").find(tag) == std::string_view::npos) return ScalarConst(tag);
    if (!in_value) Print("{");
    switch (tag) {
      case 'e':
        Print("*");
        StringConst();
        break;
      case 'A':
        Print("[");
        List(", ", [this] { Const(true); });
        Print("]");
        break;
      case 'T':
        Print("(");
        if (List(", ", [this] { Const(true); }) == 1) Print(",");
        Print(")");
        break;
      case 'V': AdtConst(); break;
      default:  // R, Q
        Print(tag == 'R' ? "&" : "&mut ");
        Const(true);
    }
    if (!in_value) Print("}");
  }

  void AdtConst() {
    Path(true);
    switch (Next()) {
      case 'U': return;
      case 'T':
        Print("(");
        List(", ", [this] { Const(true); });
        return Print(")");
      case 'S':
        Print(" { ");
        List(", ", [this] {
          Disambiguator();
          Print(Identifier());
          Print(": ");
          Const(true);
        });
        return Print(" }");
      default: failed_ = true;
    }
  }

  // {hex digit} "_"
  std::string_view HexDigits() {
    const size_t start = at_;
    char c;
    do {
      c = Next();
    } while (IsDigit(c) || (c >= 'a' && c <= 'f'));
    if (c != '_') failed_ = true;
    return failed_ ? std::string_view() : in_.substr(start, at_ - 1 - start);
  }

  void ScalarConst(char tag) {
    const bool is_signed = std::string_view("aslxni").find(tag) != std::string_view::npos;
    if (!is_signed && std::string_view("htmyojbc").find(tag) == std::string_view::npos) failed_ = true;
    if (failed_) return;
    const bool negative = is_signed && Eat('n');
    std::string_view digits = HexDigits();
    digits.remove_prefix(std::min(digits.find_first_not_of('0'), digits.size()));
    uint64_t value = 0;
    if (!digits.empty() && digits.size() <= 16)
      std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
    if (tag == 'b') {
      if (digits.size() > 1 || value > 1) failed_ = true;
      Print(value != 0 ? "true" : "false");
    } else if (tag == 'c') {
      if (digits.size() > 6 || value > 0x10FFFF) failed_ = true;
      Print(QuoteRust(EncodeUtf8(static_cast<uint32_t>(value)), '\''));
    } else {
      if (negative) Print("-");
      Print(digits.size() <= 16 ? fmt::format("{}", value) : fmt::format("0x{}", digits));
    }
  }

  void StringConst() {
    const std::string_view digits = HexDigits();
    if (digits.size() % 2 != 0) failed_ = true;
    std::string text;
    for (size_t i = 0; !failed_ && i < digits.size(); i += 2) {
      uint8_t byte = 0;
      std::from_chars(digits.data() + i, digits.data() + i + 2, byte, 16);
      text.push_back(static_cast<char>(byte));
    }
    Print(QuoteRust(text, '"'));
  }

  const std::string_view in_;  // behind "_R"
  size_t at_ = 0;
  std::string out_;
  bool failed_ = false;
  bool muted_ = false;
  int depth_ = 0;
  int steps_ = 0;
  uint64_t bound_lifetimes_ = 0;
};

// "h" and 16 hexadecimal digits. A C++ name may look so by chance: a hash has many different digits.
bool IsLegacyHash(std::string_view part) {
  if (part.size() != 17 || part[0] != 'h') return false;
  uint32_t seen = 0;
  for (const char c : part.substr(1)) {
    if (!IsDigit(c) && !(c >= 'a' && c <= 'f')) return false;
    seen |= 1u << (IsDigit(c) ? c - '0' : c - 'a' + 10);
  }
  return std::popcount(seen) >= 5;
}

std::optional<std::string> Legacy(std::string_view body) {
  std::string out;
  for (bool complete = false; !body.empty();) {
    size_t length = 0;
    const auto [after, error] = std::from_chars(body.data(), body.data() + body.size(), length);
    if (error != std::errc()) return std::nullopt;
    body.remove_prefix(static_cast<size_t>(after - body.data()));
    if (length == 0 || length >= body.size()) return std::nullopt;
    const std::string_view part = body.substr(0, length);
    body.remove_prefix(length);
    complete = body == "E";
    if (complete) return IsLegacyHash(part) && !out.empty() ? std::optional(std::move(out)) : std::nullopt;
    if (!out.empty()) out += "::";
    out += UnescapeLegacy(part);
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> RustDemangle(std::string_view mangled) {
  if (mangled.starts_with("_R")) return V0(mangled.substr(2)).Run();
  if (mangled.starts_with("_ZN")) return Legacy(mangled.substr(3));
  return std::nullopt;
}

}  // namespace kiln::symbolizer
