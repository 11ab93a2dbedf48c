// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/unwind/signal_trampoline.h"

#include <string_view>

#include "base/byte_reader.h"

namespace kiln::symbolizer {
namespace {

using std::string_view_literals::operator""sv;
// mov $15, %rax; syscall
constexpr std::string_view kX86Code = "\x48\xc7\xc0\x0f\x00\x00\x00\x0f\x05"sv;
// mov x8, #139; svc #0
constexpr std::string_view kArm64Code = "\x68\x11\x80\xd2\x01\x00\x00\xd4"sv;

}  // namespace

std::optional<SignalTrampoline> FindSignalTrampoline(const UnwindMachine& machine, std::span<const std::byte> code) {
  const std::string_view pattern = machine.is_x86() ? kX86Code : kArm64Code;
  const size_t found = AsText(code).find(pattern);
  if (found == std::string_view::npos) return std::nullopt;
  return SignalTrampoline{.offset = found, .size = pattern.size()};
}

}  // namespace kiln::symbolizer
