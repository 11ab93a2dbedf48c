// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/kernel_symbols.h"

#include <gtest/gtest.h>

#include <charconv>
#include <map>
#include <set>

#include "base/file.h"

namespace kiln::symbolizer {
namespace {

constexpr std::string_view kFixture =
    "0000000000000000 A fixed_percpu_data\n"
    "ffffffff81000000 T _stext\n"
    "ffffffff81000000 T _text\n"
    "ffffffff81000000 T first_function\n"
    "ffffffff81000040 t helper.isra.0\n"
    "ffffffff81000080 W weak_alias\n"
    "ffffffff81000080 t __local_alias\n"
    "ffffffff81000080 T __x64_sys_read\n"
    "ffffffff81000080 T __ia32_sys_read\n"
    "ffffffff810000c0 t last_function\n"
    "ffffffff81001000 T _etext\n"
    "ffffffff81100000 D some_data\n"
    "ffffffff81200000 T _sinittext\n"
    "ffffffff81200000 t init_function\n"
    "ffffffff81200100 T _einittext\n"
    "ffffffffc0000000 t module_function\t[ext4]\n"
    "ffffffffc0000100 t module_last\t[ext4]\n"
    "ffffffffc0100000 t other_module\t[xfs]\n"
    "ffffffffc0200000 t bpf_prog_6deef7357e7b4530_sample\t[bpf]\n";

std::string NameAt(const KernelSymbols& symbols, uint64_t address) {
  const auto symbol = symbols.Lookup(ProcessAddress(address));
  if (!symbol) return "";
  return symbol->module.empty() ? symbol->name : symbol->name + " [" + symbol->module + "]";
}

KernelSymbols Fixture() {
  StatusOr<KernelSymbols> symbols = KernelSymbols::Parse(kFixture);
  EXPECT_TRUE(symbols.ok()) << symbols.status();
  return *std::move(symbols);
}

TEST(KernelSymbolsTest, NamesAddresses) {
  const KernelSymbols symbols = Fixture();
  const struct {
    uint64_t address;
    std::string name;
  } kCases[] = {
      {0, ""},
      {0xffffffff80ffffff, ""},
      {0xffffffff81000000, "first_function"},
      {0xffffffff8100003f, "first_function"},
      {0xffffffff81000040, "helper.isra.0"},
      {0xffffffff81000080, "__ia32_sys_read"},  // global before weak and local, then fewer underscores, then by name
      {0xffffffff81000fff, "last_function"},
      {0xffffffff81001000, ""},  // behind _etext
      {0xffffffff81100000, ""},  // data
      {0xffffffff812000ff, "init_function"},
      {0xffffffff81200100, ""},
      {0xffffffffc0000000, "module_function [ext4]"},
      {0xffffffffc00000ff, "module_function [ext4]"},
      {0xffffffffc0000100, "module_last [ext4]"},
      {0xffffffffc0000100 + kMaxLastFunctionBytes - 1, "module_last [ext4]"},
      {0xffffffffc0000100 + kMaxLastFunctionBytes, ""},
      {0xffffffffc00fffff, ""},
      {0xffffffffc0100000, "other_module [xfs]"},
      {0xffffffffc0200010, "bpf_prog_6deef7357e7b4530_sample [bpf]"},
      {UINT64_MAX, ""},
  };
  for (const auto& c : kCases) EXPECT_EQ(NameAt(symbols, c.address), c.name) << std::hex << c.address;
  EXPECT_FALSE(symbols.hidden());
  EXPECT_EQ(symbols.text_start(), 0xffffffff81000000);
  EXPECT_EQ(symbols.text_end(), 0xffffffff81001000);
  EXPECT_EQ(symbols.damaged_lines(), 0u);
}

TEST(KernelSymbolsTest, TellsWhereTheFunctionStarts) {
  EXPECT_EQ(Fixture().Lookup(ProcessAddress(0xffffffff81000055)),
            (KernelSymbols::Symbol{.name = "helper.isra.0", .module = "", .start = 0xffffffff81000040}));
}

TEST(KernelSymbolsTest, EndsTheLastFunctionOfAKernelWithoutMarkers) {
  const auto symbols = KernelSymbols::Parse("ffffffff81000000 T only\n");
  ASSERT_TRUE(symbols.ok());
  EXPECT_EQ(NameAt(*symbols, 0xffffffff81000000 + kMaxLastFunctionBytes - 1), "only");
  EXPECT_EQ(NameAt(*symbols, 0xffffffff81000000 + kMaxLastFunctionBytes), "");
  EXPECT_EQ(symbols->text_end(), 0u);
}

TEST(KernelSymbolsTest, KnowsWhenAddressesAreHidden) {
  const auto symbols = KernelSymbols::Parse("0000000000000000 T _stext\n0000000000000000 t foo\n");
  ASSERT_TRUE(symbols.ok());
  EXPECT_TRUE(symbols->hidden());
  EXPECT_EQ(NameAt(*symbols, 0), "");
  EXPECT_FALSE(KernelSymbols::Parse("ffffffff81000000 D only_data\n")->hidden());
}

TEST(KernelSymbolsTest, CountsDamagedLines) {
  const auto symbols = KernelSymbols::Parse(
      "ffffffff81000000 T good\nxyz T foo\n\nffffffff81000010\nffffffff81000010 T\nffffffff81000010 T \n"
      "ffffffff81000020 T foo\t[unclosed\nffffffff81000020 T foo\t[]\nffffffffffffffffff T overflow\n"
      "ffffffff81000030 T last_without_newline");
  ASSERT_TRUE(symbols.ok());
  EXPECT_EQ(symbols->damaged_lines(), 8u);
  EXPECT_EQ(NameAt(*symbols, 0xffffffff81000020), "good");
  EXPECT_EQ(NameAt(*symbols, 0xffffffff81000030), "last_without_newline");
}

TEST(KernelSymbolsTest, RefusesTextThatIsNoKallsyms) {
  EXPECT_EQ(KernelSymbols::Parse("").status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(KernelSymbols::Parse("hello\nworld\n").status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(KernelSymbols::Load("/nonexistent").status().code(), absl::StatusCode::kNotFound);
}

TEST(KernelSymbolsTest, FollowsCodeThatComesAndGoes) {
  KernelSymbols symbols = Fixture();
  symbols.Add(ProcessAddress(0xffffffffc0300000), 0x100, "bpf_prog_1", "bpf");
  EXPECT_EQ(NameAt(symbols, 0xffffffffc03000ff), "bpf_prog_1 [bpf]");
  EXPECT_EQ(NameAt(symbols, 0xffffffffc0300100), "");

  // The memory is used again: the old one is gone although nobody said so.
  symbols.Add(ProcessAddress(0xffffffffc03000c0), 0x80, "bpf_prog_2", "bpf");
  EXPECT_EQ(NameAt(symbols, 0xffffffffc0300000), "");
  EXPECT_EQ(NameAt(symbols, 0xffffffffc03000c0), "bpf_prog_2 [bpf]");
  symbols.Remove(ProcessAddress(0xffffffffc03000c0));
  EXPECT_EQ(NameAt(symbols, 0xffffffffc03000c0), "");

  // Added ones win over kallsyms; removing takes from both.
  symbols.Add(ProcessAddress(0xffffffffc0200000), 0x40, "bpf_prog_3", "bpf");
  EXPECT_EQ(NameAt(symbols, 0xffffffffc0200000), "bpf_prog_3 [bpf]");
  symbols.Remove(ProcessAddress(0xffffffffc0200000));
  EXPECT_EQ(NameAt(symbols, 0xffffffffc0200010), "");
  symbols.Remove(ProcessAddress(0xffffffff81000041));  // no start of a symbol
  EXPECT_EQ(NameAt(symbols, 0xffffffff81000041), "helper.isra.0");
}

TEST(KernelSymbolsTest, AddIsBoundedAndRefusesNonsense) {
  KernelSymbols symbols = Fixture();
  symbols.Add(ProcessAddress(0x1000), 0, "empty", "bpf");
  symbols.Add(ProcessAddress(0x2000), 16, "", "bpf");
  EXPECT_EQ(NameAt(symbols, 0x1000) + NameAt(symbols, 0x2000), "");
  symbols.Add(ProcessAddress(UINT64_MAX - 1), 100, "last", "bpf");
  EXPECT_EQ(NameAt(symbols, UINT64_MAX - 1), "last [bpf]");
  const size_t before = symbols.memory_bytes();
  for (uint64_t i = 0; i < kMaxAddedKernelSymbols + 1000; ++i) symbols.Add(ProcessAddress(i * 64), 64, "p", "bpf");
  EXPECT_EQ(NameAt(symbols, 0), "");
  EXPECT_EQ(NameAt(symbols, (kMaxAddedKernelSymbols + 999) * 64), "p [bpf]");
  EXPECT_LT(symbols.memory_bytes() - before, kMaxAddedKernelSymbols * 256);
}

// The running kernel: at the start of every function one of its names, and its own limits.
TEST(KernelSymbolsTest, AgreesWithTheRunningKernel) {
  const StatusOr<std::string> text = ReadFile("/proc/kallsyms", kMaxKallsymsBytes);
  if (!text.ok()) GTEST_SKIP() << text.status();
  const StatusOr<KernelSymbols> symbols = KernelSymbols::Load();
  ASSERT_TRUE(symbols.ok()) << symbols.status();
  if (symbols->hidden()) GTEST_SKIP() << "kernel addresses are hidden";
  EXPECT_EQ(symbols->damaged_lines(), 0u);
  EXPECT_LT(symbols->text_start(), symbols->text_end());
  EXPECT_LT(symbols->memory_bytes(), symbols->size() * 60);  // 200 000 in 12 MB

  std::map<uint64_t, std::set<std::string>> names;
  std::string_view rest = *text;
  for (size_t newline; (newline = rest.find('\n')) != std::string_view::npos; rest.remove_prefix(newline + 1)) {
    const std::string_view line = rest.substr(0, newline);
    uint64_t address = 0;
    std::from_chars(line.data(), line.data() + line.size(), address, 16);
    if (std::string_view("tTwW").find(line[17]) == std::string_view::npos || address == 0) continue;
    const std::string_view name = line.substr(19);
    names[address].insert(std::string(name.substr(0, name.find('\t'))));
  }
  size_t checked = 0;
  for (const auto& [address, expected] : names) {
    const auto symbol = symbols->Lookup(ProcessAddress(address));
    if (!symbol) {
      EXPECT_EQ(expected.size(), 1u);
      EXPECT_TRUE(
          std::set<std::string>({"_text", "_stext", "_etext", "_sinittext", "_einittext"}).contains(*expected.begin()))
          << *expected.begin();
      continue;
    }
    ASSERT_EQ(symbol->start, address);
    ASSERT_TRUE(expected.contains(symbol->name)) << symbol->name;
    ++checked;
  }
  EXPECT_GT(checked, 1000u);
}

}  // namespace
}  // namespace kiln::symbolizer
