// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/unwind/unwind_table_builder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "symbolizer/testing/row_list.h"
#include "symbolizer/unwind/cfi_rules.h"
#include "symbolizer/unwind/page_reader.h"
#include "symbolizer/vdso.h"

namespace kiln::symbolizer {
namespace {

using testing::Bytes;
using testing::CfiBuilder;
using testing::EhFrameHeaderBytes;
using testing::ElfBuilder;
using testing::Le;
using testing::TestSection;
using testing::X86Rule;

constexpr uint64_t kText = 0x11000;
constexpr uint64_t kEhFrame = 0x80000;
constexpr uint8_t kSp = KILN_X86_SP;
const std::string kTrampoline = Bytes({0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05});

// What is no padding and no trampoline.
std::string Code(size_t size) { return std::string(size, '\xc3'); }

// A file with code at kText, an .eh_frame, and what a test adds.
struct TestFile {
  ElfBuilder elf;
  CfiBuilder eh_frame{true, kEhFrame};
  uint64_t cie = eh_frame.AddCie({});
  std::vector<std::pair<uint64_t, uint64_t>> index;  // for .eh_frame_hdr

  // `offset` from kText; CFA = RSP + cfa_offset.
  void AddFunction(uint64_t offset, uint64_t size, int cfa_offset) {
    index.emplace_back(kText + offset,
                       kEhFrame + eh_frame.AddFde(cie, kText + offset, size, Bytes({0x0e, cfa_offset})));
  }
  void AddText(const std::string& code) { elf.AddLoadedBytes(kText, code, PF_R | PF_X); }
  void AddEhFrame() { elf.Add({.name = ".eh_frame", .address = kEhFrame, .bytes = eh_frame.bytes()}); }
  StatusOr<ElfFile> Open() {
    AddEhFrame();
    return elf.Open();
  }
};

// A table and its rules by offset from kText.
class Table {
 public:
  // Without derived rules, which would fill the gaps between the functions of these files.
  explicit Table(const ElfFile& elf, const UnwindTableBuilder::Options& options = {.derive = false})
      : builder_(*UnwindTableBuilder::Open(elf, options)) {}

  UnwindTableBuilder& builder() { return *builder_; }
  kiln_rule At(uint64_t offset) {
    const uint64_t distance = kText + offset - builder_->base().value();
    std::vector<uint32_t> words;
    EXPECT_TRUE(builder_->CompilePage(static_cast<uint32_t>(distance / kPageBytes), words));
    return FindRow(builder_->machine(), words, distance % kPageBytes).value_or(SpecialRule(KILN_SPECIAL_DAMAGED));
  }
  size_t RowsOf(uint32_t page) {
    std::vector<uint32_t> words;
    EXPECT_TRUE(builder_->CompilePage(page, words));
    return reinterpret_cast<const kiln_page*>(words.data())->row_count;
  }

 private:
  std::unique_ptr<UnwindTableBuilder> builder_;
};

const kiln_rule kNoCfi = SpecialRule(KILN_SPECIAL_NO_CFI);

TEST(UnwindTableBuilder, CoversTheExecutableSegments) {
  TestFile file;
  file.AddText(Code(0x20000));
  const ElfFile elf = *file.Open();
  Table table(elf);
  EXPECT_EQ(table.builder().base(), ElfAddress(0x10000));
  EXPECT_EQ(table.builder().page_count(), 3u);
  EXPECT_EQ(table.builder().tracked(), KILN_NO_REGISTER);
}

TEST(UnwindTableBuilder, RefusesFilesThatHaveNoTable) {
  ElfBuilder no_code;
  EXPECT_EQ(UnwindTableBuilder::Open(*no_code.Open()).status().code(), absl::StatusCode::kNotFound);
  ElfBuilder far_apart;
  far_apart.AddSegment(testing::LoadSegment(0, 0x1000, 0x10, PF_X));
  far_apart.AddSegment(testing::LoadSegment(0, uint64_t{1} << 40, 0x10, PF_X));
  EXPECT_EQ(UnwindTableBuilder::Open(*far_apart.Open()).status().code(), absl::StatusCode::kResourceExhausted);
  ElfBuilder other_machine;
  other_machine.patch_header = [](Elf64_Ehdr& header) { header.e_machine = EM_RISCV; };
  EXPECT_EQ(UnwindTableBuilder::Open(*other_machine.Open()).status().code(), absl::StatusCode::kUnimplemented);
}

TEST(UnwindTableBuilder, FunctionsAndWhatIsBetweenThem) {
  TestFile file;
  file.AddText(Code(0x1000));
  file.AddFunction(0x100, 0x80, 16);
  file.AddFunction(0x200, 0x80, 24);
  const ElfFile elf = *file.Open();
  Table table(elf);
  EXPECT_EQ(table.At(0x0ff), kNoCfi);
  EXPECT_EQ(table.At(0x100), X86Rule(kSp, 16));
  EXPECT_EQ(table.At(0x17f), X86Rule(kSp, 16));
  EXPECT_EQ(table.At(0x180), kNoCfi);
  EXPECT_EQ(table.At(0x200), X86Rule(kSp, 24));
  EXPECT_EQ(table.At(0x280), kNoCfi);
  EXPECT_EQ(table.builder().counts().fdes, 2u);
}

TEST(UnwindTableBuilder, AFunctionMaySpanPages) {
  TestFile file;
  file.AddText(Code(0x40000));
  file.AddFunction(0x100, 0x30000, 16);
  file.AddFunction(0x30100, 0x100, 24);
  const ElfFile elf = *file.Open();
  Table table(elf);
  for (const uint64_t offset : {0x100, 0xf000, 0x20000, 0x2ffff, 0x300ff})
    EXPECT_EQ(table.At(offset), X86Rule(kSp, 16));
  EXPECT_EQ(table.At(0x30100), X86Rule(kSp, 24));
  EXPECT_EQ(table.RowsOf(1), 1u);
}

TEST(UnwindTableBuilder, ALongFunctionIsReadToTheEndOfThePageOnly) {
  TestFile file;
  file.AddText(Code(0x40000));
  std::string instructions;
  for (int i = 0; i < 0x3000; ++i) instructions += Bytes({0x50, 0x0e, i % 2 == 0 ? 16 : 24});
  file.eh_frame.AddFde(file.cie, kText, 0x30000, instructions);
  const ElfFile elf = *file.Open();
  Table table(elf);
  EXPECT_EQ(table.At(0x10), X86Rule(kSp, 16));
  EXPECT_LT(table.builder().counts().raw_rows, 0x1000u) << "of 0x3000; the page has 0xf00";
  EXPECT_EQ(table.At(0x2ffe0), X86Rule(kSp, 24));
}

TEST(UnwindTableBuilder, PaddingTakesTheRuleBehindIt) {
  TestFile file;
  std::string code = Code(0x1000);
  code.replace(0x171, 0xf, Bytes({0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0, 0x0f, 0x1f, 0x44, 0, 0}));
  file.AddText(code);
  file.AddFunction(0x100, 0x71, 16);
  file.AddFunction(0x180, 0x78, 24);
  file.AddFunction(0x200, 0x80, 24);  // `ret` in front of it is no padding
  const ElfFile elf = *file.Open();
  Table table(elf);
  EXPECT_EQ(table.At(0x170), X86Rule(kSp, 16));
  EXPECT_EQ(table.At(0x171), X86Rule(kSp, 24));
  EXPECT_EQ(table.At(0x17f), X86Rule(kSp, 24));
  EXPECT_EQ(table.At(0x1f8), kNoCfi);
  EXPECT_EQ(table.RowsOf(0), 6u) << "before, 16, 24, ret, 24, behind";
}

TEST(UnwindTableBuilder, PaddingAtTheEdgeOfAPage) {
  TestFile file;
  std::string code = Code(0x20000);
  code.replace(0xeff0, 0x20, std::string(0x20, '\xcc'));
  file.AddText(code);
  file.AddFunction(0x1000, 0xdff0, 16);
  file.AddFunction(0xf010, 0x100, 24);  // 16 bytes behind the end of page 0
  const ElfFile elf = *file.Open();
  Table table(elf);
  for (const uint64_t offset : {0xeff0, 0xefff, 0xf000, 0xf00f, 0xf010}) {
    EXPECT_EQ(table.At(offset), X86Rule(kSp, 24)) << std::hex << offset;
  }
}

TEST(UnwindTableBuilder, DebugFrameFillsTheGaps) {
  TestFile file;
  file.AddText(Code(0x1000));
  file.AddFunction(0x100, 0x100, 16);
  CfiBuilder debug_frame(false, 0);
  const uint64_t cie = debug_frame.AddCie({.version = 4, .augmentation = ""});
  debug_frame.AddFde(cie, kText + 0x100, 0x100, Bytes({0x0e, 80}));
  debug_frame.AddFde(cie, kText + 0x300, 0x100, Bytes({0x0e, 24}));
  file.elf.Add({.name = ".debug_frame", .bytes = debug_frame.bytes()});
  const ElfFile elf = *file.Open();
  Table table(elf);
  EXPECT_EQ(table.At(0x100), X86Rule(kSp, 16));
  EXPECT_EQ(table.At(0x300), X86Rule(kSp, 24));
  EXPECT_EQ(table.At(0x400), kNoCfi);
}

TEST(UnwindTableBuilder, ADebugFileStandsInForSectionsThatTheFileLacks) {
  CfiBuilder debug_frame(false, 0);
  debug_frame.AddFde(debug_frame.AddCie({.version = 4, .augmentation = ""}), kText + 0x300, 0x100, Bytes({0x0e, 24}));
  ElfBuilder debug;
  debug.Add({.name = ".eh_frame", .type = SHT_NOBITS, .address = kEhFrame, .size = 0x100});
  debug.Add({.name = ".debug_frame", .bytes = debug_frame.bytes()});
  const ElfFile debug_elf = *debug.Open();
  TestFile file;
  file.AddText(Code(0x1000));
  file.AddFunction(0x100, 0x100, 16);
  const ElfFile elf = *file.Open();
  Table table(elf, {.debug_file = &debug_elf, .derive = false});
  EXPECT_EQ(table.At(0x100), X86Rule(kSp, 16));
  EXPECT_EQ(table.At(0x300), X86Rule(kSp, 24));
}

TEST(UnwindTableBuilder, NeedsNoSectionHeaders) {
  constexpr uint64_t kHeader = 0x7ff00;
  TestFile file;
  file.AddText(Code(0x1000));
  file.AddFunction(0x100, 0x100, 16);
  file.eh_frame.AddEnd();
  std::string header = EhFrameHeaderBytes(kHeader, kEhFrame, file.index);
  header.resize(kEhFrame - kHeader);
  file.elf.AddLoadedBytes(kHeader, header + file.eh_frame.bytes() + "more", PF_R);
  Elf64_Phdr segment = testing::LoadSegment(0, kHeader, 12, PF_R);
  segment.p_type = PT_GNU_EH_FRAME;
  file.elf.AddSegment(segment);
  file.elf.patch_header = [](Elf64_Ehdr& elf) { elf.e_shoff = elf.e_shnum = elf.e_shstrndx = 0; };
  const ElfFile elf = *file.elf.Open();
  EXPECT_TRUE(elf.sections().empty());
  Table table(elf);
  EXPECT_EQ(table.At(0x100), X86Rule(kSp, 16));
  EXPECT_EQ(table.builder().counts().fdes, 1u);
  EXPECT_EQ(table.builder().counts()[UnwindIssue::kHeaderUnusable], 0u);
}

TEST(UnwindTableBuilder, ASearchTableFullOfRubbishIsDropped) {
  constexpr uint64_t kHeader = 0x70000;
  TestFile file;
  file.AddText(Code(0x10000));
  file.AddFunction(0x100, 0x100, 16);
  // Names the CIE 1000 times, and the only function not at all.
  std::vector<std::pair<uint64_t, uint64_t>> rubbish;
  for (uint64_t i = 0; i < 1000; ++i) rubbish.emplace_back(kText + i, kEhFrame);
  file.elf.AddLoadedBytes(kHeader, EhFrameHeaderBytes(kHeader, kEhFrame, rubbish), PF_R);
  Elf64_Phdr segment = testing::LoadSegment(0, kHeader, 12, PF_R);
  segment.p_type = PT_GNU_EH_FRAME;
  file.elf.AddSegment(segment);
  const ElfFile elf = *file.Open();
  Table table(elf);
  (void)table.At(0x100);
  EXPECT_EQ(table.At(0x100), X86Rule(kSp, 16)) << "at the latest when it is asked for again";
  EXPECT_GE(table.builder().counts()[UnwindIssue::kHeaderUnusable], 1u);
}

TEST(UnwindTableBuilder, CodeAtTheEntryPointHasNoCaller) {
  TestFile file;
  file.AddText(Code(0x1000));
  file.AddFunction(0x120, 0x100, 16);
  file.elf.patch_header = [](Elf64_Ehdr& header) { header.e_entry = kText + 0x100; };
  const ElfFile elf = *file.Open();
  Table table(elf);
  EXPECT_EQ(table.At(0x0ff), kNoCfi);
  EXPECT_EQ(table.At(0x100), SpecialRule(KILN_SPECIAL_ROOT));
  EXPECT_EQ(table.At(0x11f), SpecialRule(KILN_SPECIAL_ROOT));
  EXPECT_EQ(table.At(0x120), X86Rule(kSp, 16));
  EXPECT_EQ(table.At(0x220), kNoCfi);
}

TEST(UnwindTableBuilder, TheEntryEndsWithItsSymbolOrAfter64Bytes) {
  for (const bool has_symbols : {true, false}) {
    TestFile file;
    file.AddText(Code(0x1000));
    file.elf.patch_header = [](Elf64_Ehdr& header) { header.e_entry = kText + 0x100; };
    const uint32_t text = file.elf.AddText(kText, 0x1000);
    if (has_symbols) {
      file.elf.AddSymbols(SHT_SYMTAB,
                          {{.name = "_start", .value = kText + 0x100, .section = static_cast<uint16_t>(text)},
                           {.name = "main", .value = kText + 0x116, .section = static_cast<uint16_t>(text)}});
    }
    const ElfFile elf = *file.Open();
    Table table(elf);
    EXPECT_EQ(table.At(0x115), SpecialRule(KILN_SPECIAL_ROOT));
    EXPECT_EQ(table.At(0x116), has_symbols ? kNoCfi : SpecialRule(KILN_SPECIAL_ROOT));
    EXPECT_EQ(table.At(0x140), kNoCfi);
  }
}

TEST(UnwindTableBuilder, CfiOfTheEntryCounts) {
  TestFile file;
  file.AddText(Code(0x1000));
  file.AddFunction(0x100, 0x100, 16);
  file.elf.patch_header = [](Elf64_Ehdr& header) { header.e_entry = kText + 0x100; };
  const ElfFile elf = *file.Open();
  EXPECT_EQ(Table(elf).At(0x100), X86Rule(kSp, 16));
}

TEST(UnwindTableBuilder, TrampolinesWithoutCfiAreRecognised) {
  TestFile file;
  std::string code = Code(0x20000);
  code.replace(0x100, kTrampoline.size(), kTrampoline);
  code.replace(0xeffc, kTrampoline.size(), kTrampoline);  // over the edge of a page
  file.AddText(code);
  const ElfFile elf = *file.Open();
  Table table(elf);
  const kiln_rule signal = SignalTrampolineRule(table.builder().machine());
  EXPECT_EQ(signal.cfa_kind, KILN_CFA_SIGNAL);
  EXPECT_EQ(signal.cfa_register, KILN_X86_SP);
  EXPECT_EQ(signal.cfa_offset, 0);
  for (const uint64_t begin : {0x100, 0xeffc}) {
    EXPECT_EQ(table.At(begin - 2), kNoCfi);
    EXPECT_EQ(table.At(begin - 1), signal) << "where a handler returns to is looked up one byte before";
    for (size_t i = 0; i < kTrampoline.size(); ++i) EXPECT_EQ(table.At(begin + i), signal) << begin << "+" << i;
    EXPECT_EQ(table.At(begin + kTrampoline.size()), signal) << "during the system call";
    EXPECT_EQ(table.At(begin + kTrampoline.size() + 1), kNoCfi);
  }
}

TEST(UnwindTableBuilder, Arm64TrampolineIsTrustedMoreThanItsCfi) {
  TestFile file;
  std::string code = Code(0x1000);
  code.replace(0x104, 8, Bytes({0x68, 0x11, 0x80, 0xd2, 0x01, 0x00, 0x00, 0xd4}));
  file.AddText(code);
  // As in the vDSO: CFA = X29, X29 and X30 at it.
  const uint64_t cie = file.eh_frame.AddCie({.augmentation = "zRS",
                                             .code_alignment = 4,
                                             .return_column = 30,
                                             .instructions = Bytes({0x0c, 29, 0, 0x9d, 0, 0x11, 30, 0x7f})});
  file.eh_frame.AddFde(cie, kText + 0x100, 0xc, "");
  file.elf.patch_header = [](Elf64_Ehdr& header) { header.e_machine = EM_AARCH64; };
  const ElfFile elf = *file.Open();
  Table table(elf);
  const kiln_rule rule = table.At(0x104);
  EXPECT_EQ(rule.cfa_kind, KILN_CFA_SIGNAL);
  EXPECT_EQ(rule.cfa_register, KILN_ARM64_SP);
  EXPECT_EQ(rule.cfa_offset, 128);
  EXPECT_EQ(rule.flags, KILN_RULE_SIGNAL_FRAME);
}

// Fills what it is asked for with one rule, and remembers what that was.
class TestFiller final : public GapFiller {
 public:
  TestFiller(std::vector<CodeExtent>& gaps, bool fills) : gaps_(gaps), fills_(fills) {}
  bool Fill(const CodeExtent& gap, const CodeExtent& range, RowSink& sink) override {
    gaps_.push_back(gap);
    if (fills_) sink.Add(range.begin, X86Rule(kSp, 800));
    return fills_;
  }

 private:
  std::vector<CodeExtent>& gaps_;
  bool fills_;
};

TEST(UnwindTableBuilder, FillersGetTheGapsInTurn) {
  TestFile file;
  file.AddText(Code(0x3000));
  file.AddFunction(0, 0x1000, 16);
  file.AddFunction(0x2000, 0x1000, 16);
  const ElfFile elf = *file.Open();
  Table table(elf);
  std::vector<CodeExtent> first;
  std::vector<CodeExtent> second;
  table.builder().AddFiller(std::make_unique<TestFiller>(first, false));
  table.builder().AddFiller(std::make_unique<TestFiller>(second, true));
  EXPECT_EQ(table.At(0x1800), X86Rule(kSp, 800));
  EXPECT_EQ(table.At(0x2000), X86Rule(kSp, 16));
  ASSERT_EQ(first.size(), 2u);
  ASSERT_EQ(second.size(), 2u);
  EXPECT_EQ(second[0].begin, ElfAddress(kText + 0x1000));
  EXPECT_EQ(second[0].end, ElfAddress(kText + 0x2000));
}

TEST(UnwindTableBuilder, FillersSeeAGapWhole) {
  TestFile file;
  file.AddText(Code(0x80000));
  file.AddFunction(0, 0xf800, 16);
  file.AddFunction(0x2f800, 0x100, 16);
  const ElfFile elf = *file.Open();
  Table table(elf);
  std::vector<CodeExtent> gaps;
  table.builder().AddFiller(std::make_unique<TestFiller>(gaps, true));
  // Pages begin at kText - 0x1000 + n * 0x10000; the gap is from 0xf800 in page 1 to 0x2f800 in page 3.
  EXPECT_EQ(table.At(0x10000), X86Rule(kSp, 800));
  EXPECT_EQ(table.At(0x20000), X86Rule(kSp, 800));
  EXPECT_EQ(table.At(0x50000), X86Rule(kSp, 800));
  ASSERT_EQ(gaps.size(), 3u);
  for (const size_t page : {0, 1}) {
    EXPECT_EQ(gaps[page].begin, ElfAddress(kText + 0xf800)) << "from the function before";
    EXPECT_EQ(gaps[page].end, ElfAddress(kText + 0x2f800)) << "to the next one";
  }
  EXPECT_EQ(gaps[2].begin, ElfAddress(kText + 0x2f900));
}

class OneFunction final : public RowSource {
 public:
  explicit OneFunction(const CodeExtent& extent) : extent_(extent) {}
  std::optional<CodeExtent> Next(ElfAddress from) override {
    return from < extent_.end ? std::optional(extent_) : std::nullopt;
  }
  void AddRows(const CodeExtent& extent, RowSink& sink) override { sink.Add(extent.begin, X86Rule(kSp, 400)); }

 private:
  CodeExtent extent_;
};

TEST(UnwindTableBuilder, SourcesComeBehindCfiAndBeforeFillers) {
  TestFile file;
  file.AddText(Code(0x3000));
  file.AddFunction(0x1000, 0x800, 16);
  const ElfFile elf = *file.Open();
  Table table(elf);
  std::vector<CodeExtent> gaps;
  table.builder().AddSource(
      std::make_unique<OneFunction>(CodeExtent{ElfAddress(kText + 0x800), ElfAddress(kText + 0x2000)}));
  table.builder().AddFiller(std::make_unique<TestFiller>(gaps, true));
  EXPECT_EQ(table.At(0x000), X86Rule(kSp, 800));
  EXPECT_EQ(table.At(0x800), X86Rule(kSp, 400));
  EXPECT_EQ(table.At(0x1000), X86Rule(kSp, 16));
  EXPECT_EQ(table.At(0x1800), X86Rule(kSp, 400));
  EXPECT_EQ(table.At(0x2000), X86Rule(kSp, 800));
}

TEST(UnwindTableBuilder, APageThatDoesNotFitFails) {
  TestFile file;
  file.AddText(Code(0x1f000));
  std::string instructions;
  for (int i = 0; i < 20000; ++i) instructions += Bytes({0x0e, i % 2 == 0 ? 16 : 24, 0x41});
  file.eh_frame.AddFde(file.cie, kText + 0xf000, 0x10000, instructions);
  const ElfFile elf = *file.Open();
  Table table(elf);
  std::vector<uint32_t> words;
  EXPECT_TRUE(table.builder().CompilePage(0, words));
  EXPECT_FALSE(table.builder().CompilePage(1, words));
  EXPECT_TRUE(words.empty());
  EXPECT_EQ(table.builder().counts()[UnwindIssue::kPageTooLarge], 1u);
}

TEST(UnwindTableBuilder, TracksTheRegisterThatCodeCallsOn) {
  TestFile file;
  file.AddText(Bytes({0xe8}) + Le<int32_t>(0x10) + Code(0x1000));
  file.eh_frame.AddFde(file.cie, kText, 0x100, Bytes({0x0c, 3, 16, 0x83, 2}));
  const ElfFile elf = *file.Open();
  Table table(elf);
  EXPECT_EQ(table.builder().tracked(), KILN_X86_BX);
  EXPECT_EQ(table.At(0).cfa_register, KILN_X86_BX);
  EXPECT_EQ(table.At(0).other_kind, KILN_VALUE_AT_CFA);
  EXPECT_EQ(table.At(0).other_offset, -16);
}

TEST(UnwindTableBuilder, ReadsTheVdso) {
  const StatusOr<ElfFile> vdso = ReadVdso();
  if (!vdso.ok()) GTEST_SKIP() << vdso.status();
  const auto builder = *UnwindTableBuilder::Open(*vdso);
  EXPECT_GT(builder->counts().fdes, 3u);
  std::vector<uint32_t> words;
  EXPECT_TRUE(builder->CompilePage(0, words));
  EXPECT_GT(builder->counts().raw_rows, builder->counts().fdes);
  for (size_t i = 0; i < kUnwindIssueCount; ++i) {
    EXPECT_EQ(builder->counts().issues[i], 0u) << UnwindIssueText(static_cast<UnwindIssue>(i));
  }
}

TEST(UnwindTableBuilder, CompressedSectionsAreCounted) {
  TestFile file;
  file.AddText(Code(0x1000));
  file.elf.Add({.name = ".debug_frame", .flags = SHF_COMPRESSED, .bytes = "x"});
  const ElfFile elf = *file.Open();
  Table table(elf);
  EXPECT_EQ(table.builder().counts()[UnwindIssue::kSectionUnreadable], 1u);
}

}  // namespace
}  // namespace kiln::symbolizer
