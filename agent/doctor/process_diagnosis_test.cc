// SPDX-License-Identifier: Apache-2.0
#include "agent/doctor/process_diagnosis.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <map>
#include <set>

#include "symbolizer/testing/row_list.h"

namespace kiln::agent {
namespace {

using symbolizer::ElfFile;
using symbolizer::Miss;
using symbolizer::testing::BuildIdNote;
using symbolizer::testing::Bytes;
using symbolizer::testing::CfiBuilder;
using symbolizer::testing::ElfBuilder;
using symbolizer::testing::TestSymbol;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr uint64_t kText = 0x11000;
constexpr uint64_t kEhFrame = 0x80000;
constexpr uint64_t kCodeBytes = 0x1000;
constexpr uint64_t kStart = 0x7f0000001000;

class FakeSource final : public ProcessSource {
 public:
  std::vector<Mapping> mappings;
  std::map<std::string, ObjectFile> objects;  // by path
  std::set<std::string> deleted;
  GeneratedNames generated;

  StatusOr<std::vector<Mapping>> Mappings() override { return mappings; }
  const ObjectFile& Object(const Mapping& mapping) override { return objects.at(mapping.path); }
  bool IsOnDisk(const Mapping& mapping) override { return !deleted.contains(mapping.path); }
  DebugFilePlaces DebugPlaces(const Mapping& mapping) override { return {.path = mapping.path, .roots = {}}; }
  GeneratedNames NamesOfGeneratedCode() override { return generated; }
};

// A program of kCodeBytes, of which the first `covered` have unwind information. arm64: nothing is derived.
struct TestProgram {
  ElfBuilder elf;

  explicit TestProgram(uint64_t covered) {
    elf.patch_header = [](Elf64_Ehdr& header) { header.e_machine = EM_AARCH64; };
    elf.AddLoadedBytes(kText, std::string(kCodeBytes, '\x5a'), PF_R | PF_X);
    elf.AddNoteSegment(BuildIdNote("\x12\x34\x56\x78"), 4);
    elf.AddText(kText, kCodeBytes);
    if (covered == 0) return;
    CfiBuilder eh_frame{true, kEhFrame};
    eh_frame.AddFde(eh_frame.AddCie({.return_column = 30, .instructions = symbolizer::testing::kArm64Initial}), kText,
                    covered, Bytes({0x0e, 16}));
    elf.Add({.name = ".eh_frame", .address = kEhFrame, .bytes = eh_frame.bytes()});
  }
  void AddSymbols(uint32_t type, uint64_t bytes) {
    elf.AddSymbols(type, {TestSymbol{.name = "work", .value = kText, .size = bytes}});
  }
};

class ProcessDiagnosisTest : public ::testing::Test {
 protected:
  void Map(const std::string& path, FileOffset offset = FileOffset(0)) {
    const uint64_t start = kStart + source.mappings.size() * 0x10000;
    source.mappings.push_back(
        {.start = ProcessAddress(start), .end = ProcessAddress(start + kCodeBytes), .offset = offset, .path = path});
  }
  void MapProgram(const std::string& path, const TestProgram& program) {
    ObjectFile& object = source.objects[path];
    object.path = path;
    object.elf.emplace(*program.elf.Open());
    object.build_id = object.elf->build_id();
    Map(path, object.elf->segments().front().offset);
  }
  void MapMissing(const std::string& path, Miss miss) {
    source.objects[path].miss = miss;
    Map(path);
  }
  ProcessDiagnosis Diagnose() { return *DiagnoseProcess(facts, source); }
  MappingDiagnosis DiagnoseOne() {
    const ProcessDiagnosis diagnosis = Diagnose();
    EXPECT_EQ(diagnosis.mappings.size(), 1u);
    return diagnosis.mappings.front();
  }

  FakeSource source;
  ProcessFacts facts{.pid = Pid{42}, .name = "java", .namespaced_pid = Pid{7}};
};

TEST_F(ProcessDiagnosisTest, FindsNothingWrongWithAWholeProgram) {
  TestProgram program(kCodeBytes);
  program.AddSymbols(SHT_SYMTAB, 0x800);
  MapProgram("/bin/program", program);
  const MappingDiagnosis found = DiagnoseOne();
  EXPECT_EQ(found.health(), Health::kOk);
  EXPECT_EQ(found.build_id, "12345678");
  EXPECT_EQ(found.walk.walker, KILN_WALKER_TABLE);
  EXPECT_THAT(found.walk.origins, ElementsAre(".eh_frame"));
  EXPECT_EQ(found.walk.coverage.cfi, kCodeBytes);
  EXPECT_EQ(found.walk.sentence, "");
  EXPECT_EQ(found.names.origin, ".symtab");
  EXPECT_EQ(found.names.functions, 1u);
  EXPECT_EQ(found.names.named_bytes, 0x800u);
  EXPECT_EQ(found.mend, "");
}

TEST_F(ProcessDiagnosisTest, TellsHowMuchCodeHasNoUnwindInformation) {
  MapProgram("/bin/program", TestProgram(0x600));
  const MappingDiagnosis found = DiagnoseOne();
  EXPECT_EQ(found.walk.health, Health::kLimited);
  EXPECT_THAT(found.walk.sentence, HasSubstr("62.50 % of the code (2560 bytes) has no unwind information"));
  EXPECT_THAT(found.mend, HasSubstr("/usr/lib/debug/.build-id/12/345678.debug"));
  EXPECT_TRUE(Diagnose().CanUnwind());
}

TEST_F(ProcessDiagnosisTest, AFewBytesWithoutUnwindInformationAreNoFault) {
  MapProgram("/bin/program", TestProgram(kCodeBytes - 16));
  EXPECT_EQ(DiagnoseOne().walk.health, Health::kOk);
}

TEST_F(ProcessDiagnosisTest, CodeWithoutAnyUnwindInformationCutsStacks) {
  MapProgram("/bin/program", TestProgram(0));
  EXPECT_EQ(DiagnoseOne().walk.health, Health::kFailed);
  EXPECT_FALSE(Diagnose().CanUnwind());
}

TEST_F(ProcessDiagnosisTest, TellsOtherMachines) {
  TestProgram program(kCodeBytes);
  program.elf.patch_header = [](Elf64_Ehdr& header) { header.e_machine = EM_RISCV; };
  MapProgram("/bin/program", program);
  const MappingDiagnosis found = DiagnoseOne();
  EXPECT_EQ(found.walk.health, Health::kFailed);
  EXPECT_THAT(found.walk.sentence, HasSubstr("ELF machine"));
}

TEST_F(ProcessDiagnosisTest, StrippedProgramsLackNames) {
  MapProgram("/bin/stripped", TestProgram(kCodeBytes));
  TestProgram library(kCodeBytes);
  library.AddSymbols(SHT_DYNSYM, 0x400);
  MapProgram("/lib/library.so", library);
  TestProgram exports_all(kCodeBytes);
  exports_all.AddSymbols(SHT_DYNSYM, 0xff0);
  MapProgram("/lib/exports_all.so", exports_all);
  const ProcessDiagnosis diagnosis = Diagnose();
  EXPECT_EQ(diagnosis.mappings[0].names.health, Health::kLimited);
  EXPECT_EQ(diagnosis.mappings[0].names.origin, "");
  EXPECT_EQ(diagnosis.mappings[1].names.health, Health::kLimited);
  EXPECT_EQ(diagnosis.mappings[1].names.origin, ".dynsym");
  EXPECT_THAT(diagnosis.mappings[1].names.sentence, HasSubstr("25.00 % of the code"));
  EXPECT_EQ(diagnosis.mappings[2].names.health, Health::kOk);
  EXPECT_TRUE(diagnosis.CanUnwind());
}

TEST_F(ProcessDiagnosisTest, GeneratedCodeNeedsAPerfMapForItsNames) {
  Map("");
  const MappingDiagnosis without = DiagnoseOne();
  EXPECT_EQ(without.walk.walker, KILN_WALKER_FRAME_POINTER);
  EXPECT_EQ(without.walk.health, Health::kOk);
  EXPECT_EQ(without.names.health, Health::kLimited);
  EXPECT_THAT(without.names.sentence, HasSubstr("/tmp/perf-7.map")) << "the pid that the process sees";
  EXPECT_EQ(without.mend, "jcmd 42 Compiler.perfmap");
  source.generated = {.origin = "perf map"};
  EXPECT_THAT(DiagnoseOne().names.sentence, HasSubstr("empty"));
  source.generated.functions = 3;
  EXPECT_EQ(DiagnoseOne().names.health, Health::kOk);
  EXPECT_EQ(DiagnoseOne().names.origin, "perf map");
  source.generated.sentence = "too large";
  EXPECT_EQ(DiagnoseOne().names.health, Health::kLimited);
  EXPECT_EQ(DiagnoseOne().names.sentence, "too large");
  EXPECT_EQ(DiagnoseOne().names.functions, 3u);
  facts.name = "something";
  source.generated = {};
  EXPECT_EQ(DiagnoseOne().mend, "");
}

TEST_F(ProcessDiagnosisTest, FilesThatAreNoProgramsAreGeneratedCode) {
  MapMissing("/memfd:jit", Miss::kNotElf);
  EXPECT_EQ(DiagnoseOne().walk.walker, KILN_WALKER_FRAME_POINTER);
}

TEST_F(ProcessDiagnosisTest, FilesThatCannotBeReadCutStacks) {
  MapMissing("/lib/gone.so", Miss::kNoFile);
  source.deleted.insert("/lib/gone.so");
  const MappingDiagnosis gone = DiagnoseOne();
  EXPECT_EQ(gone.walk.health, Health::kFailed);
  EXPECT_THAT(gone.walk.sentence, HasSubstr("deleted or replaced"));
  EXPECT_EQ(gone.mend, "sudo kiln doctor -p 42");
  MapMissing("/lib/damaged.so", Miss::kDamaged);
  const ProcessDiagnosis diagnosis = Diagnose();
  EXPECT_EQ(diagnosis.mappings[1].walk.health, Health::kFailed);
  EXPECT_EQ(diagnosis.mappings[1].walk.sentence, "file is damaged");
  EXPECT_EQ(diagnosis.mappings[1].mend, "");
}

TEST_F(ProcessDiagnosisTest, DeletedFilesThatCanBeReadAreNoFault) {
  TestProgram program(kCodeBytes);
  program.AddSymbols(SHT_SYMTAB, kCodeBytes);
  MapProgram("/bin/program", program);
  source.deleted.insert("/bin/program");
  const MappingDiagnosis found = DiagnoseOne();
  EXPECT_EQ(found.health(), Health::kOk);
  EXPECT_FALSE(found.on_disk);
  EXPECT_THAT(found.walk.sentence, HasSubstr("deleted or replaced"));
}

TEST_F(ProcessDiagnosisTest, WhatNoSegmentHasCannotBeWalked) {
  MapProgram("/bin/program", TestProgram(kCodeBytes));
  source.mappings.front().offset = FileOffset(1 << 20);
  EXPECT_EQ(DiagnoseOne().walk.health, Health::kFailed);
}

TEST_F(ProcessDiagnosisTest, AProcessWithoutMemoryHasEnded) {
  EXPECT_EQ(DiagnoseProcess(facts, source).status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST(LiveProcessSourceTest, SeesThisProcess) {
  const auto facts = ReadProcessFacts(Pid{::getpid()});
  ASSERT_TRUE(facts.ok()) << facts.status();
  LiveProcessSource source(*facts);
  const auto mappings = source.Mappings();
  ASSERT_TRUE(mappings.ok()) << mappings.status();
  size_t files = 0;
  for (const Mapping& mapping : *mappings) {
    if (!mapping.is_file()) continue;
    ++files;
    EXPECT_TRUE(source.IsOnDisk(mapping)) << mapping.path;
    EXPECT_TRUE(source.Object(mapping).elf) << mapping.path;
  }
  EXPECT_GE(files, 2u);
  EXPECT_EQ(source.NamesOfGeneratedCode().origin, "");
  EXPECT_EQ(source.NamesOfGeneratedCode().sentence, "");
}

}  // namespace
}  // namespace kiln::agent
