// SPDX-License-Identifier: Apache-2.0
#include "agent/flush/kernel_names.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace kiln::agent {
namespace {

using symbolizer::Miss;
using testing::HasSubstr;

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
  KernelNames Make() const {
    return KernelNames({.symbols = folder_ + "/symbols",
                        .notes = folder_ + "/notes",
                        .modules = folder_ + "/modules",
                        .restrict = folder_ + "/restrict"});
  }

  std::string folder_;
};

TEST_F(KernelNamesTest, TheKernelProperHasItsBuildIdAndBeginsAtItsText) {
  KernelNames names = Make();
  const KernelNames::Found found = names.Find(ProcessAddress(0xffffffff81000108));
  EXPECT_EQ(found.name, "do_work");
  EXPECT_EQ(found.module, "[kernel.kallsyms]");
  EXPECT_EQ(found.build_id, "01020304");
  EXPECT_EQ(found.start, 0xffffffff81000000);
  EXPECT_EQ(found.limit, 0xffffffff81002000);
  EXPECT_EQ(names.note(), "");
}

TEST_F(KernelNamesTest, ModulesHaveTheirOwn) {
  KernelNames names = Make();
  const KernelNames::Found found = names.Find(ProcessAddress(0xffffffffc0000110));
  EXPECT_EQ(found.name, "helper");
  EXPECT_EQ(found.module, "[mod]");
  EXPECT_EQ(found.build_id, "010203ff");
  EXPECT_EQ(found.start, 0xffffffffc0000000);
  EXPECT_EQ(found.limit, 0xffffffffc0002000);
}

TEST_F(KernelNamesTest, BpfProgramsHaveNoBuildId) {
  KernelNames names = Make();
  const KernelNames::Found found = names.Find(ProcessAddress(0xffffffffc0200010));
  EXPECT_EQ(found.name, "bpf_prog_6deef7357e7b4530_sample");
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
  EXPECT_EQ(names.Find(start).name, "bpf_prog_new");
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
  EXPECT_EQ(names.Find(ProcessAddress(0xffffffff81000108)).name, "");
  names.EndWindow({});
  names.BeginWindow({});
  EXPECT_EQ(names.Find(ProcessAddress(0xffffffff81000108)).name, "");
  names.EndWindow({});
  Write("symbols", kSymbols);
  names.BeginWindow({});
  const KernelNames::Found found = names.Find(ProcessAddress(0xffffffff81000108));
  EXPECT_EQ(found.name, "do_work");
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

}  // namespace
}  // namespace kiln::agent
