// SPDX-License-Identifier: Apache-2.0
// C++ is left to libiberty's cplus_demangle_v3_callback. Not to abi::__cxa_demangle, although it is the same code: that
// one refuses names above 1024 bytes and builds the whole result in memory: 300 bytes of hostile name make it allocate
// gigabytes. The callback sees the result piece by piece and leaves by longjmp when it is too long. That is all C code
// without anything to release: its working memory is on the stack. cp-demangle.c comes with the permission to
// link it into any program.
//
// What it needs of the stack and of time beyond the output is bounded before the call, see IsAffordable.
#include "symbolizer/demangle.h"

#include <algorithm>
#include <csetjmp>
#include <cstdint>
#include <optional>

#include <libiberty/demangle.h>

#include "symbolizer/d_demangle.h"
#include "symbolizer/rust_demangle.h"

namespace kiln::symbolizer {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// LLVM's numbers of local symbols that it made global; hexadecimal in old versions.
bool RemoveLlvmNumber(std::string_view& name) {
  const size_t last_other = name.find_last_not_of("0123456789ABCDEF@");
  if (last_other == std::string_view::npos || last_other + 1 == name.size()) return false;
  const std::string_view rest = name.substr(0, last_other + 1);
  if (!rest.ends_with(".llvm.") || rest.size() == 6) return false;
  name = rest.substr(0, rest.size() - 6);
  return true;
}

// Removes ".<word>" or ".<word>.<digits>" from the end.
bool RemoveClone(std::string_view& name, std::string_view word, bool needs_number) {
  std::string_view rest = name;
  while (!rest.empty() && IsDigit(rest.back())) rest.remove_suffix(1);
  if (rest.size() < name.size() && rest.ends_with('.')) {
    rest.remove_suffix(1);
  } else if (needs_number) {
    return false;
  } else {
    rest = name;
  }
  if (!rest.ends_with(word)) return false;
  rest.remove_suffix(word.size());
  if (!rest.ends_with('.') || rest.size() == 1) return false;
  rest.remove_suffix(1);
  name = rest;
  return true;
}

// Removes "@VERSION" or "@@VERSION" behind a plain identifier. Not "@plt", and not what other languages write with an
// @.
void RemoveVersion(std::string_view& name) {
  constexpr std::string_view kIdentifier = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.$";
  const size_t at = name.find_first_not_of(kIdentifier);
  if (at == std::string_view::npos || at == 0 || name[at] != '@' || name[at - 1] == '.') return;
  const std::string_view version = name.substr(name.find_first_not_of('@', at) == at + 2 ? at + 2 : at + 1);
  if (version.empty() || version == "plt" || version.find_first_not_of(kIdentifier) != std::string_view::npos) return;
  name = name.substr(0, at);
}

bool RemoveNumbered(std::string_view& name) {
  return RemoveClone(name, "part", true) || RemoveClone(name, "isra", true) || RemoveClone(name, "constprop", true) ||
         RemoveClone(name, "lto_priv", true) || RemoveClone(name, "cold", true) ||
         RemoveClone(name, "localalias", true) || RemoveLlvmNumber(name);
}

size_t Count(std::string_view text, char wanted) { return static_cast<size_t>(std::ranges::count(text, wanted)); }

// How often a conversion operator to a template parameter may begin: "cv", qualifiers, "T".
size_t CountConversions(std::string_view text) {
  size_t count = 0;
  for (size_t at = text.find("cv"); at != std::string_view::npos; at = text.find("cv", at + 2)) {
    const size_t type = text.find_first_not_of("PROKVrCG", at + 2);
    count += type != std::string_view::npos && text[type] == 'T';
  }
  return count;
}

// Bounds what libiberty does before its output can be counted.
//   Time: such an operator is parsed twice, so nested ones cost 2^n.
//   Stack: saved scopes times templates, 16 bytes each, where a 'T' makes at most two scopes and an 'I' or 'J' two
//   templates. The parser's own depth is bounded by kMaxMangledBytes.
bool IsAffordable(std::string_view mangled) {
  constexpr size_t kMaxConversions = 8;
  constexpr size_t kMaxStackBytes = 1 << 20;
  if (CountConversions(mangled) > kMaxConversions) return false;
  const size_t scopes = 2 * Count(mangled, 'T');
  const size_t templates = 2 * (Count(mangled, 'I') + Count(mangled, 'J'));
  return scopes * templates * 16 <= kMaxStackBytes;
}

struct Output {
  std::jmp_buf too_long;
  std::string text;
};

void Collect(const char* piece, size_t length, void* opaque) {
  auto& output = *static_cast<Output*>(opaque);
  if (length > kMaxDemangledBytes - output.text.size()) std::longjmp(output.too_long, 1);
  output.text.append(piece, length);
}

// `output` is the caller's, so that nothing with a destructor lives in the frames that longjmp leaves.
bool RunLibiberty(const char* mangled, Output& output) {
  if (setjmp(output.too_long) != 0) return false;
  return cplus_demangle_v3_callback(mangled, DMGL_PARAMS | DMGL_ANSI | DMGL_NO_RECURSE_LIMIT, Collect, &output) != 0;
}

std::optional<std::string> CppDemangle(std::string_view mangled) {
  if (!IsAffordable(mangled)) return std::nullopt;
  const std::string terminated(mangled);
  Output output;
  if (!RunLibiberty(terminated.c_str(), output) || output.text.empty()) return std::nullopt;
  return std::move(output.text);
}

}  // namespace

bool IsMangled(std::string_view name) { return name.starts_with("_Z") || name.starts_with("_R") || IsDMangled(name); }

std::string_view WithoutSuffixes(std::string_view name) {
  RemoveVersion(name);
  for (;;) {
    if (RemoveNumbered(name)) continue;
    // In Go, main.cold is a function of that name: without a number the word counts only on a mangled name, or behind
    // a suffix with a number.
    std::string_view rest = name;
    if (!RemoveClone(rest, "cold", false) && !RemoveClone(rest, "localalias", false)) return name;
    if (!IsMangled(name) && !RemoveNumbered(rest)) return name;
    name = rest;
  }
}

namespace {

// Of anything but a stub.
std::string DemangleFunction(std::string_view mangled) {
  const std::string_view base = WithoutSuffixes(mangled);
  if (!IsMangled(base)) return std::string(base);
  if (base.size() > kMaxMangledBytes) return std::string(mangled);
  if (std::optional<std::string> rust = RustDemangle(base)) return *std::move(rust);
  if (std::optional<std::string> d = DDemangle(base)) return *std::move(d);
  if (std::optional<std::string> cpp = CppDemangle(base)) return *std::move(cpp);
  return std::string(mangled);
}

}  // namespace

std::string Demangle(std::string_view mangled) {
  constexpr std::string_view kPlt = "@plt";
  if (!mangled.ends_with(kPlt)) return DemangleFunction(mangled);
  return DemangleFunction(mangled.substr(0, mangled.size() - kPlt.size())).append(kPlt);
}

}  // namespace kiln::symbolizer
