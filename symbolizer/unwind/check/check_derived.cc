// SPDX-License-Identifier: Apache-2.0
// How good derived rules are: takes files whose code is covered by call frame information, derives rules without it,
// and compares. Bytes of code are counted. Where a rule of the file names a register of which the derivation knows
// nothing, or needs more than a register and an offset, the two can't be compared.
//
// What differs in Debian's files is either code whose call frame information is wrong or vague (hand-written assembly:
// pushes without a directive in glibc's mpn functions, setcontext), or lies behind calls of functions in other files
// that don't return.
#include <elf.h>
#include <time.h>

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "symbolizer/unwind/cfi_loader.h"
#include "symbolizer/unwind/derive_flow.h"
#include "symbolizer/unwind/derive_tables.h"
#include "symbolizer/unwind/function_starts.h"

namespace kiln::symbolizer {
namespace {

constexpr uint64_t kMaxCodeBytes = 256 << 20;
// Of what is compared. Wrong call frame information alone makes 1 in 3000 bytes of libc.
constexpr double kMaxDisagreement = 0.001;
constexpr size_t kMaxDetails = 20;

struct Counts {
  uint64_t agree = 0;
  uint64_t disagree = 0;
  uint64_t incomparable = 0;
  uint64_t unclear = 0;    // code that has a rule, but none was derived
  uint64_t uncovered = 0;  // derived, and the file has no rule
  uint64_t rbp_lost = 0;   // agrees on all else
  uint64_t instructions = 0;
  uint64_t ns = 0;
};

class Rows : public RowSink {
 public:
  void Add(ElfAddress address, const kiln_rule& rule) override {
    if (!rows.empty() && rows.back().address == address) rows.pop_back();
    rows.push_back({.address = address, .rule = rule});
  }
  std::vector<UnwindRow> rows;
};

uint64_t CpuNs() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000000000 + static_cast<uint64_t>(now.tv_nsec);
}

class Comparison {
 public:
  Comparison(const ElfFile& elf, bool verbose) : elf_(elf), verbose_(verbose) {}

  // False if the file has no call frame information to compare with.
  bool Run() {
    UnwindCounts counts;
    const UnwindMachine* machine = FindUnwindMachine(elf_.machine());
    if (machine == nullptr || !machine->is_x86()) return false;
    const std::unique_ptr<CfiRows> cfi = LoadEhFrame(elf_, elf_, *machine, counts);
    if (cfi == nullptr) return false;
    for (ElfAddress at;;) {
      const std::optional<CodeExtent> extent = cfi->Next(at);
      if (!extent) break;
      cfi->AddRows(*extent, rows_);
      rows_.Add(extent->end, SpecialRule(KILN_SPECIAL_NO_CFI));
      at = extent->end;
    }
    starts_ = FindFunctionStarts(elf_);
    for (const ElfFile::Segment& segment : elf_.segments()) {
      if (segment.executable && segment.file_size <= kMaxCodeBytes) CompareSegment(segment);
    }
    return true;
  }
  const Counts& counts() const { return counts_; }

 private:
  static std::vector<uint32_t> OffsetsIn(const std::vector<ElfAddress>& addresses, ElfAddress begin, size_t size) {
    std::vector<uint32_t> offsets;
    for (const ElfAddress address : addresses) {
      const uint64_t offset = address.value() - begin.value();
      if (address >= begin && offset < size) offsets.push_back(static_cast<uint32_t>(offset));
    }
    return offsets;
  }

  void CompareSegment(const ElfFile::Segment& segment) {
    std::vector<std::byte> code(std::min(segment.file_size, elf_.BytesFrom(segment.address)));
    if (!elf_.ReadAddress(segment.address, code).ok()) return;
    for (size_t at = 0; at < code.size();) {
      const ElfAddress begin(segment.address.value() + at);
      const std::vector<uint32_t> known = OffsetsIn(starts_.known, begin, code.size() - at);
      const std::vector<uint32_t> likely = OffsetsIn(starts_.likely, begin, code.size() - at);
      const uint64_t start = CpuNs();
      const std::span<const std::byte> swept = std::span(code).subspan(at);
      CodeSweep sweep = SweepCode(swept, begin, known);
      const auto targets = ReadJumpTables(elf_, sweep, begin);
      CodeFlow flow(std::move(sweep), {.known = known, .likely = likely, .table_targets = targets, .code = swept});
      flow.Run();
      counts_.ns += CpuNs() - start;
      counts_.instructions += flow.sweep().instructions;
      flow.Visit([&](const CodeFlow::Stretch& stretch) {
        Compare(begin.value() + stretch.begin, begin.value() + stretch.end, stretch.state);
      });
      at += std::max<uint32_t>(flow.sweep().size, 1);
    }
  }

  void Compare(uint64_t begin, uint64_t end, const FrameState* state) {
    const auto& rows = rows_.rows;
    auto row = std::ranges::upper_bound(rows, ElfAddress(begin), {}, &UnwindRow::address);
    while (begin < end) {
      const uint64_t next = row == rows.end() ? end : std::min(end, row->address.value());
      const kiln_rule rule = row == rows.begin() ? SpecialRule(KILN_SPECIAL_NO_CFI) : std::prev(row)->rule;
      CompareRule(begin, next - begin, rule, state);
      begin = next;
      if (row != rows.end()) ++row;
    }
  }

  void CompareRule(uint64_t address, uint64_t bytes, const kiln_rule& rule, const FrameState* state) {
    const kiln_rule derived = state == nullptr ? SpecialRule(KILN_SPECIAL_UNCLEAR) : state->Rule();
    const bool unclear = IsSpecial(derived, KILN_SPECIAL_UNCLEAR);
    if (IsSpecial(rule, KILN_SPECIAL_NO_CFI)) {
      counts_.uncovered += unclear ? 0 : bytes;
      return;
    }
    if (unclear) {
      counts_.unclear += bytes;
      return;
    }
    const bool root = IsSpecial(derived, KILN_SPECIAL_ROOT);
    const auto on_cfa =
        rule.cfa_kind == KILN_CFA_REGISTER ? state->OnCfa(rule.cfa_register, rule.cfa_offset) : std::nullopt;
    if (root || !on_cfa) {
      counts_.incomparable += bytes;
      return;
    }
    const bool fp_differs = rule.fp_kind == KILN_VALUE_AT_CFA && derived.fp_kind == KILN_VALUE_AT_CFA &&
                            rule.fp_offset != derived.fp_offset;
    if (*on_cfa == 0 && !fp_differs) {
      counts_.agree += bytes;
      counts_.rbp_lost += derived.fp_kind == KILN_VALUE_LOST ? bytes : 0;
      return;
    }
    counts_.disagree += bytes;
    if (!verbose_ || details_++ >= kMaxDetails) return;
    fmt::print("    {:#x} {} bytes: r{}{:+} derived, r{}{:+} by the file{}\n", address, bytes, derived.cfa_register,
               derived.cfa_offset, rule.cfa_register, rule.cfa_offset, fp_differs ? ", RBP differs" : "");
  }

  const ElfFile& elf_;
  const bool verbose_;
  Rows rows_;
  FunctionStarts starts_;
  Counts counts_;
  size_t details_ = 0;
};

// Code by compilers and by hand, mostly without exceptions: nothing but the C++ runtime goes to a landing pad.
constexpr const char* kQuick[] = {"/lib/x86_64-linux-gnu/libc.so.6",
                                  "/lib/x86_64-linux-gnu/libm.so.6",
                                  "/usr/lib/x86_64-linux-gnu/libcrypto.so.3",
                                  "/lib/x86_64-linux-gnu/libz.so.1",
                                  "/usr/bin/bash",
                                  "/usr/bin/perl"};

int Main(int argc, char** argv) {
  bool verbose = false;
  std::vector<std::string> paths;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--verbose") {
      verbose = true;
    } else if (argument == "--quick") {
      paths.insert(paths.end(), std::begin(kQuick), std::end(kQuick));
    } else {
      paths.emplace_back(argument);
    }
  }
  Counts all;
  for (const std::string& path : paths) {
    StatusOr<File> file = File::Open(path);
    if (!file.ok()) continue;
    const StatusOr<ElfFile> elf = ElfFile::Open(*std::move(file));
    if (!elf.ok()) continue;
    Comparison comparison(*elf, verbose);
    if (!comparison.Run()) continue;
    const Counts& one = comparison.counts();
    fmt::print(
        "{}: {} bytes agree, {} disagree, {} not comparable, {} unclear; {} without information derived; {} ns per "
        "instruction\n",
        path, one.agree, one.disagree, one.incomparable, one.unclear, one.uncovered,
        one.instructions == 0 ? 0 : one.ns / one.instructions);
    all.agree += one.agree;
    all.disagree += one.disagree;
    all.unclear += one.unclear;
    all.rbp_lost += one.rbp_lost;
  }
  const double compared = static_cast<double>(all.agree + all.disagree);
  if (compared == 0) {
    fmt::print("nothing to compare\n");
    return 0;
  }
  const double disagreement = static_cast<double>(all.disagree) / compared;
  fmt::print("{} bytes agree, {} disagree ({:.5f} %), {} unclear ({:.2f} %), RBP lost in {}\n", all.agree, all.disagree,
             100 * disagreement, all.unclear, 100.0 * static_cast<double>(all.unclear) / (compared + all.unclear),
             all.rbp_lost);
  return disagreement <= kMaxDisagreement ? 0 : 1;
}

}  // namespace
}  // namespace kiln::symbolizer

int main(int argc, char** argv) { return kiln::symbolizer::Main(argc, argv); }
