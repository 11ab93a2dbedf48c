// SPDX-License-Identifier: Apache-2.0
#include "agent/flush/kernel_names.h"

#include <elf.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <numeric>

#include "agent/symbols/index_cache.h"
#include "agent/unwind/table_key.h"
#include "symbolizer/index/line_index_writer.h"
#include "symbolizer/testing/elf_builder.h"

namespace kiln::agent {
namespace {

using symbolizer::Miss;
using symbolizer::testing::BuildIdNote;
using symbolizer::testing::ElfBuilder;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::string_view kSymbols =
    "ffffffff81000000 T _text\n"
    "ffffffff81000000 T _stext\n"
    "ffffffff81000100 T do_work\n"
    "ffffffff81002000 T _etext\n"
    "ffffffffc0000100 t helper\t[mod]\n"
    "ffffffffc0200000 t bpf_prog_6deef7357e7b4530_sample\t[bpf]\n";

// A build id note of four bytes.
constexpr std::string_view kNote("\4\0\0\0\4\0\0\0\3\0\0\0GNU\0\1\2\3\4", 20);

class KernelNamesTest : public ::testing::Test {
 protected:
  KernelNamesTest() : folder_(::testing::TempDir() + "/kernel_names_test") {
    std::filesystem::remove_all(folder_);
    Write("notes", kNote);
    Write("modules/mod/notes/.note.gnu.build-id", std::string(kNote.substr(0, 19)) + "\xff");
    Write("modules/mod/sections/.text", "0xffffffffc0000000\n");
    Write("modules/mod/coresize", "8192\n");
    Write("restrict", "1\n");
    Write("symbols", kSymbols);
  }
  ~KernelNamesTest() override { std::filesystem::remove_all(folder_); }
  void Write(const std::string& name, std::string_view text) {
    const std::filesystem::path path = folder_ + "/" + name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path, std::ios::trunc) << text;
  }
  // Of the innermost function; "" = none.
  static std::string NameOf(const KernelNames::Found& found) {
    return found.lines.empty() ? "" : found.lines.front().name;
  }
  KernelNames Make() const {
    return KernelNames({.symbols = folder_ + "/symbols",
                        .notes = folder_ + "/notes",
                        .modules = folder_ + "/modules",
                        .restrict = folder_ + "/restrict",
                        .release = folder_ + "/release"});
  }

  std::string folder_;
};

TEST_F(KernelNamesTest, TheKernelProperHasItsBuildIdAndBeginsAtItsText) {
  KernelNames names = Make();
  const KernelNames::Found found = names.Find(ProcessAddress(0xffffffff81000108));
  EXPECT_EQ(NameOf(found), "do_work");
  EXPECT_EQ(found.module, "[kernel.kallsyms]");
  EXPECT_EQ(found.build_id, "01020304");
  EXPECT_EQ(found.start, 0xffffffff81000000);
  EXPECT_EQ(found.limit, 0xffffffff81002000);
  EXPECT_EQ(names.note(), "");
}

TEST_F(KernelNamesTest, ModulesHaveTheirOwn) {
  KernelNames names = Make();
  const KernelNames::Found found = names.Find(ProcessAddress(0xffffffffc0000110));
  EXPECT_EQ(NameOf(found), "helper");
  EXPECT_EQ(found.module, "[mod]");
  EXPECT_EQ(found.build_id, "010203ff");
  EXPECT_EQ(found.start, 0xffffffffc0000000);
  EXPECT_EQ(found.limit, 0xffffffffc0002000);
}

TEST_F(KernelNamesTest, BpfProgramsHaveNoBuildId) {
  KernelNames names = Make();
  const KernelNames::Found found = names.Find(ProcessAddress(0xffffffffc0200010));
  EXPECT_EQ(NameOf(found), "bpf_prog_6deef7357e7b4530_sample");
  EXPECT_EQ(found.module, "[bpf]");
  EXPECT_EQ(found.build_id, "");
  EXPECT_EQ(found.start, 0u);
}

TEST_F(KernelNamesTest, BpfProgramsComeAndGoWithTheWindows) {
  KernelNames names = Make();
  const ProcessAddress start(0xffffffffc0300000);
  const KernelSymbolEvent kEvents[] = {
      {.start = start, .length = 64, .name = "bpf_prog_new", .is_bpf = true},
      {.start = start, .length = 64, .name = "bpf_prog_new", .is_bpf = true, .removed = true}};
  names.BeginWindow(kEvents);
  EXPECT_EQ(NameOf(names.Find(start)), "bpf_prog_new");
  names.EndWindow(kEvents);
  names.BeginWindow({});
  EXPECT_EQ(names.Find(start).miss, Miss::kNotCovered);
  EXPECT_EQ(names.Find(start).module, "[kernel.kallsyms]");
}

TEST_F(KernelNamesTest, HiddenSymbolsLeaveTheBuildIdAndAdvice) {
  Write("symbols", "0000000000000000 T _text\n0000000000000000 T do_work\n");
  KernelNames names = Make();
  const KernelNames::Found found = names.Find(ProcessAddress(0xffffffff81000108));
  EXPECT_EQ(found.miss, Miss::kKernelSymbolsHidden);
  EXPECT_EQ(found.module, "[kernel.kallsyms]");
  EXPECT_EQ(found.build_id, "01020304");
  EXPECT_EQ(found.start, 0u);
  EXPECT_THAT(names.note(), HasSubstr("cap_syslog"));
  Write("restrict", "2\n");
  KernelNames restricted = Make();
  restricted.Find(ProcessAddress(1));
  EXPECT_THAT(restricted.note(), HasSubstr("sysctl kernel.kptr_restrict=1"));
}

TEST_F(KernelNamesTest, SymbolsThatAreShownLaterAreTakenIn) {
  Write("symbols", "0000000000000000 T _text\n0000000000000000 T do_work\n");
  KernelNames names = Make();
  names.BeginWindow({});
  EXPECT_EQ(NameOf(names.Find(ProcessAddress(0xffffffff81000108))), "");
  names.EndWindow({});
  names.BeginWindow({});
  EXPECT_EQ(NameOf(names.Find(ProcessAddress(0xffffffff81000108))), "");
  names.EndWindow({});
  Write("symbols", kSymbols);
  names.BeginWindow({});
  const KernelNames::Found found = names.Find(ProcessAddress(0xffffffff81000108));
  EXPECT_EQ(NameOf(found), "do_work");
  EXPECT_EQ(found.start, 0xffffffff81000000);
  EXPECT_EQ(names.note(), "");
}

TEST_F(KernelNamesTest, WithoutAnySourceAFrameIsAMiss) {
  std::filesystem::remove_all(folder_);
  KernelNames names = Make();
  const KernelNames::Found found = names.Find(ProcessAddress(0xffffffff81000108));
  EXPECT_EQ(found.miss, Miss::kKernelSymbolsHidden);
  EXPECT_EQ(found.build_id, "");
  EXPECT_THAT(names.note(), HasSubstr("no names"));
}

TEST_F(KernelNamesTest, AnEndlessFileIsNoBuildId) {
  std::filesystem::remove(folder_ + "/notes");
  std::filesystem::create_symlink("/dev/zero", folder_ + "/notes");
  KernelNames names = Make();
  EXPECT_EQ(names.Find(ProcessAddress(0xffffffff81000108)).build_id, "");
}

// Line indexes of debug files below the folder. They are in the cache from the begin, so no indexer is needed.
class KernelLinesTest : public KernelNamesTest {
 protected:
  using Key = std::pair<std::string, std::string>;  // path below the folder, build id

  KernelLinesTest() {
    Write("release", "6.1.0\n");
    // _text is loaded 0x1000000 above its place in the file.
    Write("symbols",
          "ffffffff82000000 T _text\n"
          "ffffffff82000040 T _stext\n"
          "ffffffff82000100 T do_work\n"
          "ffffffff82000200 t do_work.cold\n"
          "ffffffff82000300 t alias\n"
          "ffffffff82002000 T _etext\n"
          "ffffffff82008000 t setup\n"
          "ffffffff82009000 T _einittext\n"
          "ffffffffc0000100 t helper\t[mod]\n"
          "ffffffffc0001008 t helper.cold\t[mod]\n"
          "ffffffffc0003000 t gone\t[mod]\n");
    Write("modules/mod/sections/.text.unlikely", "0xffffffffc0001000\n");
    Write("modules/mod/sections/.init.text", "0xffffffffc0003000\n");
    ElfBuilder kernel;
    kernel.AddNoteSegment(BuildIdNote("\1\2\3\4"), 4);
    kernel.AddText(0xffffffff81000000, 0x10000);
    kernel.AddSymbols(
        SHT_SYMTAB, {{.name = "_text", .value = 0xffffffff81000000}, {.name = "_stext", .value = 0xffffffff81000040}});
    kernel.Add({.name = ".debug_info", .bytes = "some"});
    Write("root/boot/vmlinux-6.1.0", kernel.Build());
    Store("root/boot/vmlinux-6.1.0", "01020304",
          {{.start = 0xffffffff81000100, .name = "do_work", .file = "work.c", .line = 10, .inlined = "step"},
           {.start = 0xffffffff81000200, .name = "do_work", .file = "work.c", .line = 20},
           {.start = 0xffffffff81000300, .name = "real", .file = "work.c", .line = 30},
           {.start = 0xffffffff81000400, .name = "", .file = "work.S", .line = 40},
           {.start = 0xffffffff81008000, .name = "setup", .file = "work.c", .line = 50}});
    ElfBuilder module;
    module.patch_header = [](Elf64_Ehdr& header) { header.e_type = ET_REL; };
    module.Add(
        {.name = ".note.gnu.build-id", .type = SHT_NOTE, .flags = SHF_ALLOC, .bytes = BuildIdNote("\1\2\3\xff")});
    module.AddText(0, 0x200);                    // 0
    module.AddText(0, 0x10, ".init.text");       // 0x200
    module.AddText(0, 0x100, ".text.unlikely");  // 0x210
    module.Add({.name = ".debug_info", .bytes = "some"});
    Write("root/lib/modules/6.1.0/kernel/mod.ko", module.Build());
    Store("root/lib/modules/6.1.0/kernel/mod.ko", "010203ff",
          {{.start = 0x100, .name = "helper", .file = "mod.c", .line = 1},
           {.start = 0x200, .name = "gone", .file = "mod.c", .line = 2},
           {.start = 0x218, .name = "helper", .file = "mod.c", .line = 3}});
  }

  struct Code {  // 16 bytes
    uint64_t start;
    std::string name;
    std::string file;
    uint32_t line;
    std::string inlined = "";
  };
  void Store(const std::string& path, const std::string& build_id, const std::vector<Code>& codes) {
    auto writer = *symbolizer::LineIndexWriter::Create("");
    for (const Code& code : codes) {
      const uint32_t file = writer.AddFile(code.file);
      uint32_t node = writer.AddNode(
          {.function = writer.AddFunction(code.name, false, code.line), .parent = symbolizer::kNoNode, .file = file});
      if (!code.inlined.empty()) {
        node = writer.AddNode({.function = writer.AddFunction(code.inlined, false, 1),
                               .parent = node,
                               .file = file,
                               .call_file = file,
                               .call_line = code.line});
      }
      const symbolizer::LineInterval interval{.start = code.start, .node = node, .line = code.line + 5, .column = 0};
      writer.AddPiece({&interval, 1}, code.start + 16, true);
    }
    const auto file = File::Open(folder_ + "/" + path);
    const TableKey key = MakeTableKey(build_id, *TakeFingerprint(*file), EM_X86_64);
    IndexCache cache(folder_ + "/cache", kDefaultIndexCacheBytes);
    auto draft = cache.Create();
    ASSERT_TRUE(draft.ok() && writer.Finish(draft->fd(), {}).ok());
    ASSERT_TRUE(cache.Keep(*std::move(draft), key).ok());
  }
  LineIndexOptions Options() const { return {.cache_folder = folder_ + "/cache", .kernel_root = folder_ + "/root"}; }
  static void Await(KernelNames& names, LineIndexes& indexes) {
    for (const std::string module : {"", "mod"}) {
      while (names.Ask(module, indexes) == IndexState::kWaiting) indexes.AwaitChange(std::chrono::milliseconds(20));
    }
  }
  // "function@file:line", innermost first.
  static std::vector<std::string> LinesOf(const KernelNames::Found& found) {
    std::vector<std::string> texts;
    for (const auto& line : found.lines) texts.push_back(fmt::format("{}@{}:{}", line.name, line.file, line.line));
    return texts;
  }
  // What a window names that has waited for lines.
  std::vector<std::string> At(uint64_t address) const {
    LineIndexes indexes(Options());
    KernelNames names = Make();
    Await(names, indexes);
    names.BeginWindow({});
    return LinesOf(names.Find(ProcessAddress(address), &indexes));
  }
};

TEST_F(KernelLinesTest, TheKernelHasInlinedFunctionsAndLinesWhereverItWasLoaded) {
  EXPECT_THAT(At(0xffffffff82000104), ElementsAre("step@work.c:15", "do_work@work.c:10"));
}

TEST_F(KernelLinesTest, ClonesKeepTheKernelsName) {
  EXPECT_THAT(At(0xffffffff82000204), ElementsAre("do_work.cold@work.c:25"));
  EXPECT_THAT(At(0xffffffff82000304), ElementsAre("real@work.c:35"));
}

TEST_F(KernelLinesTest, TheKernelNamesWhatDebugInformationDoesNot) {
  EXPECT_THAT(At(0xffffffff82000404), ElementsAre("alias@work.S:45"));
  EXPECT_THAT(At(0xffffffff82000504), ElementsAre("alias@:0"));
}

TEST_F(KernelLinesTest, CodeThatIsFreedAfterBootHasNoLines) {
  EXPECT_THAT(At(0xffffffff82008004), ElementsAre("setup@:0"));
  EXPECT_THAT(At(0xffffffffc0003000), ElementsAre("gone@:0"));
}

TEST_F(KernelLinesTest, ModulesHaveLinesInEachOfTheirSections) {
  EXPECT_THAT(At(0xffffffffc0000104), ElementsAre("helper@mod.c:6"));
  EXPECT_THAT(At(0xffffffffc000100c), ElementsAre("helper.cold@mod.c:8"));
}

TEST_F(KernelLinesTest, AModuleWhoseSectionsAreHiddenHasNamesAlone) {
  Write("modules/mod/sections/.text", "0x0000000000000000\n");
  EXPECT_THAT(At(0xffffffffc0000104), ElementsAre("helper@:0"));
  EXPECT_THAT(At(0xffffffffc000100c), ElementsAre("helper.cold@mod.c:8"));
}

TEST_F(KernelLinesTest, AModuleThatIsLoadedElsewhereIsFoundThereInTheNextWindow) {
  LineIndexes indexes(Options());
  KernelNames names = Make();
  Await(names, indexes);
  names.BeginWindow({});
  const ProcessAddress address(0xffffffffc0000104);
  EXPECT_THAT(LinesOf(names.Find(address, &indexes)), ElementsAre("helper@mod.c:6"));
  names.EndWindow({});
  Write("modules/mod/sections/.text", "0xffffffffc0000004\n");
  names.BeginWindow({});
  EXPECT_THAT(LinesOf(names.Find(address, &indexes)), ElementsAre("helper@mod.c:6"));
  EXPECT_THAT(LinesOf(names.Find(ProcessAddress(0xffffffffc0000103), &indexes)), ElementsAre("helper@:0"));
}

TEST_F(KernelLinesTest, WhoDoesNotWaitHasNamesAndLinesLater) {
  LineIndexes indexes(Options());
  KernelNames names = Make();
  names.BeginWindow({});
  const ProcessAddress address(0xffffffff82000204);
  EXPECT_THAT(LinesOf(names.Find(address)), ElementsAre("do_work.cold@:0"));
  names.Find(address, &indexes);  // asks
  Await(names, indexes);
  names.EndWindow({});
  names.BeginWindow({});
  EXPECT_THAT(LinesOf(names.Find(address, &indexes)), ElementsAre("do_work.cold@work.c:25"));
}

TEST_F(KernelLinesTest, DebugFilesOfAnotherBuildAreNotBelieved) {
  Write("notes", std::string(kNote.substr(0, 19)) + "\x05");
  Write("modules/mod/notes/.note.gnu.build-id", kNote);
  EXPECT_THAT(At(0xffffffff82000104), ElementsAre("do_work@:0"));
  EXPECT_THAT(At(0xffffffffc0000104), ElementsAre("helper@:0"));
}

TEST_F(KernelLinesTest, WithoutABuildIdNothingIsAskedFor) {
  std::filesystem::remove(folder_ + "/notes");
  EXPECT_THAT(At(0xffffffff82000104), ElementsAre("do_work@:0"));
}

TEST_F(KernelLinesTest, HiddenSymbolsAskForNothing) {
  Write("symbols", "0000000000000000 T _text\n0000000000000000 T do_work\n");
  LineIndexes indexes(Options());
  KernelNames names = Make();
  EXPECT_EQ(names.Ask("", indexes), IndexState::kNoDebugInfo);
  names.BeginWindow({});
  const KernelNames::Found found = names.Find(ProcessAddress(0xffffffff82000104), &indexes);
  EXPECT_EQ(found.miss, Miss::kKernelSymbolsHidden);
  EXPECT_TRUE(found.lines.empty());
  const auto states = indexes.status().files;
  EXPECT_EQ(std::accumulate(states.begin(), states.end(), uint64_t{0}), 0u);
}

TEST_F(KernelLinesTest, WithoutTextItCountsFromStext) {
  Write("symbols",
        "ffffffff82000040 T _stext\nffffffff82000100 T do_work\nffffffff82000200 t do_work.cold\n"
        "ffffffff82002000 T _etext\n");
  EXPECT_THAT(At(0xffffffff82000204), ElementsAre("do_work.cold@work.c:25"));
}

}  // namespace
}  // namespace kiln::agent
