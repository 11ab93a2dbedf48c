// SPDX-License-Identifier: Apache-2.0
// Symbols of D. Grammar: D language specification, "Application Binary Interface", Name Mangling; the text is that of
// c++filt -s dlang, which people know.
//
// Printed while it is parsed, by one function per production. Back references jump back in the input, so they can make
// the output exponentially long: steps, depth and all that is ever printed are limited.
#include "symbolizer/d_demangle.h"

#include <fmt/format.h>

#include <charconv>
#include <cstdint>
#include <utility>

#include "symbolizer/d_words.h"
#include "symbolizer/demangle.h"

namespace kiln::symbolizer {
namespace {

constexpr int kMaxDepth = 128;
constexpr int kMaxSteps = 16 * 1024;
constexpr size_t kMaxPrinted = 4 * kMaxDemangledBytes;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsUpperHex(char c) { return IsDigit(c) || (c >= 'A' && c <= 'F'); }
bool IsCallConvention(char c) { return c != '\0' && std::string_view("FUVWRY").find(c) != std::string_view::npos; }

// Symbols that the compiler makes for a type or module: their name, and what is said before that of their parent.
constexpr std::pair<std::string_view, std::string_view> kMadeSymbols[] = {{"__init", "initializer for "},
                                                                          {"__vtbl", "vtable for "},
                                                                          {"__Class", "ClassInfo for "},
                                                                          {"__Interface", "Interface for "},
                                                                          {"__ModuleInfo", "ModuleInfo for "}};

// After any failure Peek() gives '\0' and nothing is printed, so productions run to their end without checks.
class Parser {
 public:
  explicit Parser(std::string_view in) : in_(in) {}

  std::optional<std::string> Run() {
    Mangled();
    if (failed_ || at_ != in_.size() || out_.empty() || out_.size() > kMaxDemangledBytes) return std::nullopt;
    return std::move(out_);
  }

 private:
  // Counts a step, and the depth as long as it lives.
  class Step {
   public:
    explicit Step(Parser& parser) : parser_(parser) {
      if (++parser.depth_ > kMaxDepth || ++parser.steps_ > kMaxSteps) parser.failed_ = true;
    }
    ~Step() { --parser_.depth_; }
    Step(const Step&) = delete;
    Step& operator=(const Step&) = delete;

   private:
    Parser& parser_;
  };

  char Peek(size_t ahead = 0) const { return failed_ || ahead >= in_.size() - at_ ? '\0' : in_[at_ + ahead]; }
  char Next() {
    const char c = Peek();
    if (c == '\0') {
      failed_ = true;
    } else {
      ++at_;
    }
    return c;
  }
  bool Take(std::string_view text) {
    if (failed_ || !in_.substr(at_).starts_with(text)) return false;
    at_ += text.size();
    return true;
  }
  void Expect(std::string_view text) {
    if (!Take(text)) failed_ = true;
  }
  void Print(std::string_view text) {
    if (text.size() > kMaxPrinted - printed_) failed_ = true;
    if (failed_) return;
    printed_ += text.size();
    out_ += text;
  }
  // What `production` prints, instead of printing it.
  template <typename Production>
  std::string Captured(const Production& production) {
    std::string outer = std::exchange(out_, {});
    production();
    return std::exchange(out_, std::move(outer));
  }

  uint64_t Number() {
    uint64_t value = 0;
    const auto [end, error] = std::from_chars(in_.data() + at_, in_.data() + in_.size(), value);
    if (failed_ || error != std::errc() || !IsDigit(Peek())) {
      failed_ = true;
      return 0;
    }
    at_ = static_cast<size_t>(end - in_.data());
    return value;
  }
  std::string_view Digits() {
    const size_t begin = at_;
    while (IsDigit(Peek())) ++at_;
    if (at_ == begin) failed_ = true;
    return in_.substr(begin, at_ - begin);
  }

  // The distance of a back reference, behind its 'Q': base 26, the last digit in lower case.
  size_t Distance() {
    size_t value = 0;
    for (;;) {
      const char c = Next();
      const bool is_last = c >= 'a' && c <= 'z';
      if (!is_last && (c < 'A' || c > 'Z')) failed_ = true;
      if (failed_ || value > in_.size()) {
        failed_ = true;
        return 0;
      }
      value = value * 26 + static_cast<size_t>(c - (is_last ? 'a' : 'A'));
      if (is_last) return value;
    }
  }
  // Where the back reference at at_ leads; npos and failed if nowhere before itself. at_ is behind it afterwards.
  size_t BackReference() {
    const size_t begin = at_;
    Expect("Q");
    const size_t distance = Distance();
    if (failed_ || distance == 0 || distance > begin) {
      failed_ = true;
      return std::string_view::npos;
    }
    return begin - distance;
  }
  template <typename Production>
  void AtBackReference(const Production& production) {
    const size_t target = BackReference();
    if (failed_) return;
    const size_t behind = std::exchange(at_, target);
    production();
    at_ = behind;
  }

  bool IsTemplate() const { return Peek() == '_' && Peek(1) == '_' && (Peek(2) == 'T' || Peek(2) == 'U'); }
  bool IsSymbolName() const {
    if (IsDigit(Peek()) || IsTemplate()) return true;
    if (Peek() != 'Q') return false;
    Parser look(in_);
    look.at_ = at_;
    const size_t target = look.BackReference();
    return !look.failed_ && IsDigit(in_[target]);
  }

  void Mangled() {
    const Step step(*this);
    Expect("_D");
    Qualified(true);
    if (Take("Z")) return;  // made by the compiler
    (void)Captured([this] { Type(); });
  }

  void Qualified(bool with_modifiers) {
    const Step step(*this);
    bool first = true;
    do {
      if (failed_) return;
      // Names of no length belong to anonymous scopes.
      if (Take("0")) {
        while (Take("0")) continue;
        continue;
      }
      if (!std::exchange(first, false)) Print(".");
      Identifier();
      if (Peek() == 'M' || IsCallConvention(Peek())) Parameters(with_modifiers);
    } while (IsSymbolName());
  }

  // Of a function within a qualified name. If that would leave nothing for the type it was not one.
  void Parameters(bool with_modifiers) {
    const size_t begin = at_;
    const size_t printed = out_.size();
    std::string modifiers;
    if (Take("M")) modifiers = Captured([this] { TypeModifiers(); });
    FunctionWithoutReturn(nullptr, nullptr);
    if (with_modifiers) Print(modifiers);
    if (!failed_ && at_ < in_.size()) return;
    if (steps_ > kMaxSteps || depth_ > kMaxDepth) return;
    failed_ = false;
    at_ = begin;
    out_.resize(printed);
  }

  void Identifier() {
    const Step step(*this);
    if (Peek() == 'Q') {
      AtBackReference([this] { Name(Number()); });
      return;
    }
    if (IsTemplate()) {
      Template();
      return;
    }
    const uint64_t length = Number();
    if (IsTemplate()) {  // before there were back references, templates had a length
      const size_t begin = at_;
      Template();
      if (at_ - begin != length) failed_ = true;
      return;
    }
    Name(length);
  }

  void Name(uint64_t length) {
    if (failed_ || length == 0 || length > in_.size() - at_) {
      failed_ = true;
      return;
    }
    const std::string_view name = in_.substr(at_, length);
    at_ += length;
    for (const auto& [made, text] : kMadeSymbols) {
      if (name != made || Peek() != 'Z' || !out_.ends_with('.')) continue;
      out_.pop_back();
      std::string parent = std::exchange(out_, {});
      Print(text);
      Print(parent);
      return;
    }
    if (name == "__ctor") return Print("this");
    if (name == "__dtor") return Print("~this");
    if (name == "__postblit" && Take("MFZ")) return Print("this(this)");
    Print(name);
  }

  void Template() {
    const Step step(*this);
    at_ += 3;  // __T, __U
    Identifier();
    Print("!(");
    for (bool first = true; !Take("Z") && !failed_;) {
      if (!std::exchange(first, false)) Print(", ");
      (void)Take("H");
      TemplateArgument();
    }
    Print(")");
  }

  void TemplateArgument() {
    switch (Next()) {
      case 'S': return SymbolArgument();
      case 'T': return Type();
      case 'V': {
        const char tag = TagOfType();
        const std::string type = Captured([this] { Type(); });
        return Value(type, tag);
      }
      case 'X': {
        const uint64_t length = Number();
        if (failed_ || length > in_.size() - at_) break;
        Print(in_.substr(at_, length));
        at_ += length;
        return;
      }
      default: break;
    }
    failed_ = true;
  }

  void SymbolArgument() {
    if (Peek() == '_' && Peek(1) == 'D' && (IsDigit(Peek(2)) || Peek(2) == '_' || Peek(2) == 'Q')) {
      return Mangled();
    }
    // In the old form a length stands before: "5_D1a…".
    const size_t begin = at_;
    if (IsDigit(Peek())) {
      const uint64_t length = Number();
      if (!failed_ && Peek() == '_' && Peek(1) == 'D' && IsDigit(Peek(2))) {
        const size_t start = at_;
        Mangled();
        if (at_ - start != length) failed_ = true;
        return;
      }
      at_ = begin;
    }
    Qualified(false);
  }

  char TagOfType() const {
    if (Peek() != 'Q') return Peek();
    Parser look(in_);
    look.at_ = at_;
    const size_t target = look.BackReference();
    return look.failed_ ? '\0' : in_[target];
  }

  void Wrapped(std::string_view before) {
    Print(before);
    Type();
    Print(")");
  }

  void Type() {
    const Step step(*this);
    if (failed_) return;
    if (Peek() == 'Q') return AtBackReference([this] { Type(); });
    if (IsCallConvention(Peek())) return Function("function");
    const char tag = Next();
    switch (tag) {
      case 'O': return Wrapped("shared(");
      case 'x': return Wrapped("const(");
      case 'y': return Wrapped("immutable(");
      case 'N':
        if (Take("g")) return Wrapped("inout(");
        if (Take("h")) return Wrapped("__vector(");
        if (Take("n")) return Print("typeof(*null)");
        failed_ = true;
        return;
      case 'A': Type(); return Print("[]");
      case 'G': {
        const std::string_view size = Digits();
        Type();
        return Print(fmt::format("[{}]", size));
      }
      case 'H': {
        const std::string key = Captured([this] { Type(); });
        Type();
        return Print(fmt::format("[{}]", key));
      }
      case 'P':
        if (IsCallConvention(Peek())) return Function("function");
        Type();
        return Print("*");
      case 'C':
      case 'S':
      case 'E':
      case 'T': return Qualified(false);
      case 'D': return Delegate();
      case 'B': return Tuple();
      case 'z':
        if (Take("i")) return Print("cent");
        if (Take("k")) return Print("ucent");
        failed_ = true;
        return;
      default: break;
    }
    if (DBasicType(tag).empty()) failed_ = true;
    Print(DBasicType(tag));
  }

  void Tuple() {
    const uint64_t count = Number();
    Print("Tuple!(");
    for (uint64_t i = 0; i < count && !failed_; ++i) {
      if (i != 0) Print(", ");
      Type();
    }
    Print(")");
  }

  void Delegate() {
    const std::string modifiers = Captured([this] { TypeModifiers(); });
    if (Peek() == 'Q') {
      AtBackReference([this] {
        if (!IsCallConvention(Peek())) failed_ = true;
        Function("delegate");
      });
    } else {
      Function("delegate");
    }
    Print(modifiers);
  }

  // Behind a function or delegate: " const" and the like.
  void TypeModifiers() {
    for (;;) {
      if (Take("x")) return Print(" const");
      if (Take("y")) return Print(" immutable");
      if (Take("O")) {
        Print(" shared");
      } else if (Peek() == 'N' && Peek(1) == 'g') {
        at_ += 2;
        Print(" inout");
      } else {
        return;
      }
    }
  }

  void Function(std::string_view kind) {
    const Step step(*this);
    std::string call, attributes;
    const std::string parameters = Captured([&] { FunctionWithoutReturn(&call, &attributes); });
    Print(call);
    Type();
    Print(parameters);
    Print(" ");
    Print(attributes);
    Print(kind);
  }

  // Prints the parameters in brackets.
  void FunctionWithoutReturn(std::string* call, std::string* attributes) {
    const Step step(*this);
    const char convention = Next();
    if (!IsCallConvention(convention)) failed_ = true;
    if (call != nullptr) *call = DCallConvention(convention);
    while (Peek() == 'N') {
      const std::string_view attribute = DAttribute(Peek(1));
      if (attribute.empty()) break;
      at_ += 2;
      if (attributes != nullptr) *attributes += attribute;
    }
    Print("(");
    Arguments();
    Print(")");
  }

  void Arguments() {
    for (bool first = true; !failed_; first = false) {
      if (Take("X")) return Print("...");  // the last one is any number of them
      if (Take("Y")) return Print(first ? "..." : ", ...");
      if (Take("Z")) return;
      if (!first) Print(", ");
      if (Take("M")) Print("scope ");
      if (Take("Nk")) Print("return ");
      if (Take("I")) {
        Print("in ");
        if (Take("K")) Print("ref ");
      } else if (Take("J")) {
        Print("out ");
      } else if (Take("K")) {
        Print("ref ");
      } else if (Take("L")) {
        Print("lazy ");
      }
      Type();
    }
  }

  void Value(std::string_view type, char tag) {
    const Step step(*this);
    const char first = Peek();
    if (IsDigit(first)) return Integer(tag);
    (void)Next();
    switch (first) {
      case 'n': return Print("null");
      case 'N': Print("-"); return Integer(tag);
      case 'i': return Integer(tag);
      case 'e': return Real();
      case 'c':
        Real();
        Print("+");
        Expect("c");
        Real();
        return Print("i");
      case 'a':
      case 'w':
      case 'd': return String(first);
      case 'A': return tag == 'H' ? List("[", "]", true) : List("[", "]", false);
      case 'S': Print(type); return List("(", ")", false);
      case 'f': return Mangled();
      default: failed_ = true;
    }
  }

  void List(std::string_view open, std::string_view close, bool pairs) {
    const uint64_t count = Number();
    Print(open);
    for (uint64_t i = 0; i < count && !failed_; ++i) {
      if (i != 0) Print(", ");
      Value("", '\0');
      if (!pairs) continue;
      Print(":");
      Value("", '\0');
    }
    Print(close);
  }

  void Integer(char tag) {
    if (tag == 'a' || tag == 'u' || tag == 'w') return Character(tag, Number());
    if (tag == 'b') return Print(Number() != 0 ? "true" : "false");
    Print(Digits());
    if (tag == 'h' || tag == 't' || tag == 'k') Print("u");
    if (tag == 'l') Print("L");
    if (tag == 'm') Print("uL");
  }

  void Character(char tag, uint64_t value) {
    if (tag == 'a' && value >= 0x20 && value < 0x7f) return Print(fmt::format("'{}'", static_cast<char>(value)));
    if (tag == 'a') return Print(fmt::format("'\\x{:02x}'", value));
    Print(tag == 'u' ? fmt::format("'\\u{:04x}'", value) : fmt::format("'\\U{:08x}'", value));
  }

  void Real() {
    for (const auto& [name, text] :
         {std::pair<std::string_view, std::string_view>{"NAN", "NaN"}, {"INF", "Inf"}, {"NINF", "-Inf"}}) {
      if (Take(name)) return Print(text);
    }
    if (Take("N")) Print("-");
    if (!IsUpperHex(Peek())) failed_ = true;
    Print("0x");
    Print(std::string(1, Next()));
    Print(".");
    while (IsUpperHex(Peek())) Print(std::string(1, Next()));
    Expect("P");
    Print("p");
    if (Take("N")) Print("-");
    Print(Digits());
  }

  void String(char kind) {
    const uint64_t count = Number();
    Expect("_");
    Print("\"");
    for (uint64_t i = 0; i < count && !failed_; ++i) {
      unsigned value = 0;
      const auto [end, error] =
          std::from_chars(in_.data() + at_, in_.data() + std::min(at_ + 2, in_.size()), value, 16);
      if (error != std::errc() || end != in_.data() + at_ + 2) {
        failed_ = true;
        return;
      }
      at_ += 2;
      switch (value) {
        case '\t': Print("\\t"); break;
        case '\n': Print("\\n"); break;
        case '\r': Print("\\r"); break;
        case '\f': Print("\\f"); break;
        case '\v': Print("\\v"); break;
        default:
          Print(value >= 0x20 && value < 0x7f ? std::string(1, static_cast<char>(value))
                                              : fmt::format("\\x{}", in_.substr(at_ - 2, 2)));
      }
    }
    Print("\"");
    if (kind != 'a') Print(std::string(1, kind));
  }

  std::string_view in_;
  size_t at_ = 0;
  std::string out_;
  size_t printed_ = 0;
  int depth_ = 0;
  int steps_ = 0;
  bool failed_ = false;
};

}  // namespace

bool IsDMangled(std::string_view name) {
  return name == "_Dmain" || (name.starts_with("_D") && name.size() > 2 && IsDigit(name[2]));
}

std::optional<std::string> DDemangle(std::string_view mangled) {
  if (mangled == "_Dmain") return "D main";
  if (!IsDMangled(mangled) || mangled.size() > kMaxMangledBytes) return std::nullopt;
  return Parser(mangled).Run();
}

}  // namespace kiln::symbolizer
