// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "symbolizer/code_namer.h"
#include "symbolizer/symbol.h"

namespace kiln::agent {

// What is known of one address.
struct Answer {
  std::span<const symbolizer::LineView> lines = {};  // innermost inlined function first; empty: see `reason`
  std::string_view reason = {};                      // why there are no lines; static text
  std::string_view module = {};                      // as in profiles, see agent/flush/namer.h; "" = none
  std::string_view build_id = {};                    // of the module, lower-case hex; "" = not known
  std::optional<uint64_t> elf_address = {};          // that was looked up, where the module is an ELF file
};

// Takes names from wherever the addresses are of. Thread-compatible.
class AddressNamer {
 public:
  virtual ~AddressNamer() = default;
  // Valid until the next call.
  virtual Answer Name(uint64_t address) = 0;
  // What kept names or lines away so far, one sentence each, for people.
  virtual std::vector<std::string> Notes() const = 0;
};

// `found` with what is known beside it.
inline Answer AnswerOf(symbolizer::CodeNamer::Found found, std::string_view module, std::string_view build_id,
                       std::optional<uint64_t> elf_address) {
  return {.lines = found.lines,
          .reason = found.miss == symbolizer::Miss::kNone ? std::string_view() : MissName(found.miss),
          .module = module,
          .build_id = build_id,
          .elf_address = elf_address};
}

}  // namespace kiln::agent
