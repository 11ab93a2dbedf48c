// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/unwind/signal_trampoline.h"

#include <gtest/gtest.h>

#include <string>

#include "symbolizer/testing/elf_builder.h"
#include "symbolizer/unwind/page_reader.h"
#include "symbolizer/unwind/unwind_table_builder.h"

namespace kiln::symbolizer {
namespace {

using std::string_literals::operator""s;

struct Case {
  const char* name;
  uint16_t machine;
  std::string nop;
  std::string trampoline;
};

const Case kCases[] = {
    {"X86", EM_X86_64, "\x90"s, "\x48\xc7\xc0\x0f\x00\x00\x00\x0f\x05"s},
    {"Arm64", EM_AARCH64, "\x1f\x20\x03\xd5"s, "\x68\x11\x80\xd2\x01\x00\x00\xd4"s},
};

class SignalTrampolineTest : public ::testing::TestWithParam<Case> {
 protected:
  // The kinds (enum kiln_cfa_kind) of the rules of `code`, byte by byte.
  static std::vector<uint8_t> KindsOf(const std::string& code) {
    testing::ElfBuilder builder;
    builder.patch_header = [](Elf64_Ehdr& header) { header.e_machine = GetParam().machine; };
    builder.AddSegment(
        testing::LoadSegment(sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr), 0x10000, code.size(), PF_R | PF_X));
    builder.Add({.name = ".text", .flags = SHF_ALLOC | SHF_EXECINSTR, .address = 0x10000, .bytes = code});
    const StatusOr<ElfFile> elf = builder.Open();
    EXPECT_TRUE(elf.ok()) << elf.status();
    const auto table = UnwindTableBuilder::Open(*elf, {.derive = false});
    EXPECT_TRUE(table.ok()) << table.status();
    std::vector<uint32_t> page;
    EXPECT_TRUE((*table)->CompilePage(0, page));
    std::vector<uint8_t> kinds;
    for (uint32_t at = 0; at < code.size(); ++at) {
      const auto rule = FindRow((*table)->machine(), page, at);
      kinds.push_back(rule ? rule->cfa_kind : 0xff);
    }
    return kinds;
  }
};

// A handler returns to the first byte, and a walk looks one byte before: it must be covered. While the system call
// runs, the instruction pointer is behind the last byte.
TEST_P(SignalTrampolineTest, CoversTheBytesAroundItself) {
  const auto& [name, machine, nop, trampoline] = GetParam();
  const size_t before = 4 * nop.size();
  const std::string code = nop + nop + nop + nop + trampoline + std::string(16, '\xc3');
  const std::vector<uint8_t> kinds = KindsOf(code);
  for (size_t at = 0; at < code.size(); ++at) {
    const bool inside = at + 1 >= before && at <= before + trampoline.size();
    EXPECT_EQ(kinds[at], inside ? KILN_CFA_SIGNAL : KILN_CFA_SPECIAL) << "byte " << at;
  }
}

TEST_P(SignalTrampolineTest, MayBeginAndEndTheCode) {
  const std::string& trampoline = GetParam().trampoline;
  EXPECT_EQ(KindsOf(trampoline), std::vector<uint8_t>(trampoline.size(), KILN_CFA_SIGNAL));
}

TEST_P(SignalTrampolineTest, IsNotFoundInPartOfItself) {
  const std::string part = GetParam().trampoline.substr(1);
  EXPECT_EQ(KindsOf(part), std::vector<uint8_t>(part.size(), KILN_CFA_SPECIAL));
}

INSTANTIATE_TEST_SUITE_P(Machines, SignalTrampolineTest, ::testing::ValuesIn(kCases),
                         [](const ::testing::TestParamInfo<Case>& info) { return info.param.name; });

}  // namespace
}  // namespace kiln::symbolizer
