// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/debug_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <cstdlib>
#include <filesystem>
#include <set>

#include "symbolizer/testing/elf_builder.h"

namespace kiln::symbolizer {
namespace {

using testing::BuildIdNote;
using testing::ElfBuilder;
using testing::LoadSegment;

constexpr char kId[] = "\x12\xab\xcd\xef\x01\x02\x03\x04";
constexpr char kIdPath[] = "/usr/lib/debug/.build-id/12/abcdef01020304.debug";

std::string DebugImage(const std::string& build_id, uint16_t machine = EM_X86_64) {
  ElfBuilder builder;
  builder.patch_header = [=](Elf64_Ehdr& header) { header.e_machine = machine; };
  if (!build_id.empty()) builder.AddNoteSegment(BuildIdNote(build_id), 4);
  builder.AddText(0x1000, 0x100);
  builder.Add({.name = ".debug_frame", .bytes = "some"});
  return builder.Build();
}

std::string DebugLinkBytes(const std::string& name, uint32_t crc) {
  std::string bytes = name + '\0';
  bytes.resize((bytes.size() + 3) / 4 * 4);
  return bytes + std::string(reinterpret_cast<const char*>(&crc), sizeof(crc));
}

uint32_t Crc(const std::string& bytes) {
  return static_cast<uint32_t>(
      ::crc32(0, reinterpret_cast<const Bytef*>(bytes.data()), static_cast<uInt>(bytes.size())));
}

ElfFile Program(const std::string& build_id, const std::string& debug_link) {
  ElfBuilder builder;
  if (!build_id.empty()) builder.AddNoteSegment(BuildIdNote(build_id), 4);
  builder.AddText(0x1000, 0x100);
  if (!debug_link.empty()) builder.Add({.name = ".gnu_debuglink", .bytes = debug_link});
  return *builder.Open();
}

class DebugFileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = (std::filesystem::temp_directory_path() / "kiln_debug_file.XXXXXX").string();
    ASSERT_NE(::mkdtemp(folder_.data()), nullptr);
    root_ = folder_ + "/root";
    std::filesystem::create_directories(root_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  // Below folder_, not below the root.
  void WriteOutside(const std::string& path, const std::string& bytes) {
    std::filesystem::create_directories(std::filesystem::path(folder_ + path).parent_path());
    ASSERT_TRUE(WriteFileAtomically(folder_ + path, bytes).ok());
  }
  void Write(const std::string& path, const std::string& bytes) { WriteOutside("/root" + path, bytes); }
  void Link(const std::string& path, const std::string& target) {
    std::filesystem::create_directories(std::filesystem::path(root_ + path).parent_path());
    ASSERT_EQ(::symlink(target.c_str(), (root_ + path).c_str()), 0);
  }

  // Where the debug file was found; "" if nowhere.
  std::string Find(const ElfFile& elf, const std::string& path = "/opt/app/program") const {
    const DebugSearch found = FindDebugFile(elf, {.path = path, .roots = {root_}});
    return found.file ? found.file->path : "";
  }

  std::string folder_;
  std::string root_;
};

TEST_F(DebugFileTest, FindsByBuildId) {
  Write(kIdPath, DebugImage(kId));
  const auto found = FindDebugFile(Program(kId, ""), {.roots = {folder_ + "/no-such-root", root_}}).file;
  ASSERT_TRUE(found);
  EXPECT_EQ(found->path, kIdPath);
  EXPECT_EQ(found->root, root_);
  EXPECT_NE(found->elf.FindSection(".debug_frame"), nullptr);
}

TEST_F(DebugFileTest, RefusesAnotherBuildIdUnderTheRightName) {
  Write(kIdPath, DebugImage("another!"));
  EXPECT_EQ(Find(Program(kId, "")), "");
}

TEST_F(DebugFileTest, RefusesAFileWithoutBuildIdUnderTheNameOfOne) {
  Write(kIdPath, DebugImage(""));
  EXPECT_EQ(Find(Program(kId, "")), "");
}

TEST_F(DebugFileTest, RefusesAnotherMachine) {
  Write(kIdPath, DebugImage(kId, EM_AARCH64));
  EXPECT_EQ(Find(Program(kId, "")), "");
}

TEST_F(DebugFileTest, RefusesWhatIsNoElfFile) {
  Write(kIdPath, "text");
  EXPECT_EQ(Find(Program(kId, "")), "");
  EXPECT_EQ(Find(Program("", "")), "");
}

TEST_F(DebugFileTest, FindsByLinkInThreeFoldersInTheirOrder) {
  const std::string image = DebugImage("");
  const ElfFile program = Program("", DebugLinkBytes("p.debug", Crc(image)));
  Write("/usr/lib/debug/opt/app/p.debug", image);
  EXPECT_EQ(Find(program), "/usr/lib/debug/opt/app/p.debug");
  Write("/opt/app/.debug/p.debug", image);
  EXPECT_EQ(Find(program), "/opt/app/.debug/p.debug");
  Write("/opt/app/p.debug", image);
  EXPECT_EQ(Find(program), "/opt/app/p.debug");
  EXPECT_EQ(Find(program, ""), "") << "the folder of the file is not known";
}

TEST_F(DebugFileTest, RefusesAnotherCrc) {
  const std::string image = DebugImage("");
  Write("/opt/app/p.debug", image + "x");
  EXPECT_EQ(Find(Program("", DebugLinkBytes("p.debug", Crc(image)))), "");
}

TEST_F(DebugFileTest, BelievesTheBuildIdRatherThanTheCrc) {
  const std::string image = DebugImage("another!");
  Write("/opt/app/p.debug", image);
  EXPECT_EQ(Find(Program(kId, DebugLinkBytes("p.debug", Crc(image)))), "");
  Write("/opt/app/p.debug", DebugImage(kId));
  EXPECT_EQ(Find(Program(kId, DebugLinkBytes("p.debug", 1))), "/opt/app/p.debug");
}

TEST_F(DebugFileTest, DoesNotTakeTheFileItselfForItsDebugFile) {
  Write("/opt/app/program", DebugImage(kId));
  EXPECT_EQ(Find(Program(kId, DebugLinkBytes("program", 1))), "");
  Write("/opt/app/.debug/program", DebugImage(kId));
  EXPECT_EQ(Find(Program(kId, DebugLinkBytes("program", 1))), "/opt/app/.debug/program");
}

TEST_F(DebugFileTest, DoesNotLeaveTheRoot) {
  const std::string image = DebugImage(kId);
  WriteOutside("/secret.debug", image);
  Link(kIdPath, folder_ + "/secret.debug");
  EXPECT_EQ(Find(Program(kId, "")), "") << "an absolute link begins at the root";
  Link("/opt/app/p.debug", "../../../secret.debug");
  EXPECT_EQ(Find(Program(kId, DebugLinkBytes("p.debug", Crc(image)))), "") << "above the root is the root";
  EXPECT_EQ(Find(Program(kId, DebugLinkBytes("secret.debug", Crc(image))), "/../program"), "");
}

TEST_F(DebugFileTest, FollowsLinksWithinTheRoot) {
  Write("/store/a.debug", DebugImage(kId));
  Link(kIdPath, "/store/a.debug");
  EXPECT_EQ(Find(Program(kId, "")), kIdPath);
}

TEST_F(DebugFileTest, RefusesWhatIsNoRegularFile) {
  std::filesystem::create_directories(root_ + "/opt/app");
  ASSERT_EQ(::mkfifo((root_ + "/opt/app/p.debug").c_str(), 0600), 0);
  EXPECT_EQ(Find(Program("", DebugLinkBytes("p.debug", 0))), "");
}

// At the file's own path.

TEST_F(DebugFileTest, FindsADebugFileAtTheFilesOwnPathByItsBuildId) {
  const ElfFile program = Program(kId, "");
  Write("/usr/lib/debug/opt/app/program.debug", DebugImage(kId));
  EXPECT_EQ(Find(program), "/usr/lib/debug/opt/app/program.debug");
  Write("/usr/lib/debug/opt/app/program", DebugImage(kId));
  EXPECT_EQ(Find(program), "/usr/lib/debug/opt/app/program");
  Write("/usr/lib/debug/opt/app/program", DebugImage("another!"));
  EXPECT_EQ(Find(program), "/usr/lib/debug/opt/app/program.debug");
  EXPECT_EQ(Find(program, ""), "") << "the path is not known";
  EXPECT_EQ(Find(Program("", "")), "") << "nothing says that it belongs";
}

TEST_F(DebugFileTest, TakesFoldersInUsrForThoseOfTheSameNameInTheRoot) {
  const ElfFile program = Program(kId, "");
  EXPECT_EQ(Find(program, "/usr/lib/a/b.so"), "");
  Write("/usr/lib/debug/lib/a/b.so", DebugImage(kId));
  EXPECT_EQ(Find(program, "/usr/lib/a/b.so"), "/usr/lib/debug/lib/a/b.so");
  EXPECT_EQ(Find(program, "/lib/a/b.so"), "/usr/lib/debug/lib/a/b.so");
  EXPECT_EQ(Find(program, "/lib64/a/b.so"), "");
  EXPECT_EQ(Find(program, "/usr/library/a/b.so"), "");
  Write("/usr/lib/debug/usr/sbin/b.debug", DebugImage(kId));
  EXPECT_EQ(Find(program, "/sbin/b"), "/usr/lib/debug/usr/sbin/b.debug");
  EXPECT_EQ(Find(Program(kId, DebugLinkBytes("b.debug", 0)), "/sbin/program"), "/usr/lib/debug/usr/sbin/b.debug");
}

TEST_F(DebugFileTest, DoesNotTakeACopyOfTheFileForItsDebugFile) {
  ElfBuilder copy;
  copy.AddNoteSegment(BuildIdNote(kId), 4);
  copy.AddText(0x1000, 0x100);
  copy.Add({.name = ".debug_info", .type = SHT_NOBITS, .size = 8});
  WriteOutside("/image/opt/app/program", copy.Build());
  const DebugPlaces places = {.path = "/opt/app/program", .roots = {root_}, .debug_folders = {folder_ + "/image"}};
  const DebugSearch none = FindDebugFile(Program(kId, ""), places);
  EXPECT_EQ(none.miss, DebugMiss::kNotFound);
  EXPECT_FALSE(none.file);
  WriteOutside("/image/usr/lib/debug/opt/app/program", DebugImage(kId));
  auto found = FindDebugFile(Program(kId, ""), places).file;
  ASSERT_TRUE(found);
  EXPECT_EQ(found->path, "/usr/lib/debug/opt/app/program");
  WriteOutside("/image/opt/app/program", DebugImage(kId));
  found = FindDebugFile(Program(kId, ""), places).file;
  ASSERT_TRUE(found);
  EXPECT_EQ(found->path, "/opt/app/program");
}

// A kernel module, or its debug file.
ElfBuilder Module(uint64_t text_bytes) {
  ElfBuilder builder;
  builder.patch_header = [](Elf64_Ehdr& header) { header.e_type = ET_REL; };
  builder.Add({.name = ".note.gnu.build-id", .type = SHT_NOTE, .flags = SHF_ALLOC, .bytes = BuildIdNote(kId)});
  builder.AddText(0, 0, ".text.empty");
  builder.AddText(0, text_bytes);
  builder.AddText(0, 0x40, ".init.text");
  return builder;
}

TEST_F(DebugFileTest, FindsThatOfAKernelModule) {
  const std::string path = "/lib/modules/6.1/kernel/fs/xfs.ko", debug_path = "/usr/lib/debug" + path;
  Write("/module.ko", Module(0x100).Build());
  const auto module = ElfFile::OpenRelocatable(*File::Open(root_ + "/module.ko"));
  ASSERT_TRUE(module.ok()) << module.status();
  const auto write = [&](uint64_t text_bytes) {
    ElfBuilder debug = Module(text_bytes);
    debug.Add({.name = ".debug_info", .bytes = "some"});
    Write(debug_path, debug.Build());
  };
  write(0x100);
  EXPECT_EQ(Find(*module, path), debug_path);
  EXPECT_EQ(Find(*module, "/usr" + path), debug_path);
  EXPECT_EQ(Find(Program(kId, ""), path), "") << "addresses of a program are others";
  // The addresses of .init.text would be others.
  write(0x200);
  const DebugSearch search = FindDebugFile(*module, {.path = path, .roots = {root_}});
  EXPECT_FALSE(search.file);
  EXPECT_EQ(search.miss, DebugMiss::kOtherSections);
  EXPECT_EQ(search.passed_over, root_ + debug_path);
  Write(debug_path, DebugImage(kId));
  EXPECT_EQ(FindDebugFile(*module, {.path = path, .roots = {root_}}).miss, DebugMiss::kOtherSections);
}

// The reason of each miss.

class DebugMissTest : public DebugFileTest {
 protected:
  DebugSearch Search(const ElfFile& elf, const std::string& path = "/opt/app/program") const {
    return FindDebugFile(elf, {.path = path, .roots = {root_}});
  }
  DebugMiss MissOf(const ElfFile& elf, const std::string& path = "/opt/app/program") const {
    return Search(elf, path).miss;
  }
};

TEST_F(DebugMissTest, TellsThatThereIsNothingToGoBy) {
  EXPECT_EQ(MissOf(Program("", "")), DebugMiss::kNothingToGoBy);
  EXPECT_EQ(MissOf(Program("", DebugLinkBytes("../p", 1))), DebugMiss::kNothingToGoBy);
}

TEST_F(DebugMissTest, TellsThatThereIsNone) {
  EXPECT_EQ(MissOf(Program(kId, "")), DebugMiss::kNotFound);
  EXPECT_EQ(Search(Program(kId, "")).passed_over, "");
  EXPECT_EQ(FindDebugFile(Program(kId, ""), {.roots = {folder_ + "/gone"}}).miss, DebugMiss::kNotFound)
      << "the root of a process that has exited";
}

TEST_F(DebugMissTest, TellsWhatWasPassedOver) {
  Write(kIdPath, DebugImage("another!"));
  const DebugSearch search = Search(Program(kId, ""));
  EXPECT_EQ(search.miss, DebugMiss::kBuildIdDiffers);
  EXPECT_EQ(search.passed_over, root_ + kIdPath);
}

TEST_F(DebugMissTest, TellsWhyAFileWasPassedOver) {
  const std::string image = DebugImage(kId);
  std::string narrow = image, big_endian = image;
  narrow[EI_CLASS] = ELFCLASS32;
  big_endian[EI_DATA] = ELFDATA2MSB;
  ElfBuilder many;
  many.patch_header = [](Elf64_Ehdr& header) { header.e_phnum = kMaxSegments + 1; };
  const struct {
    std::string what;
    std::string image;
    DebugMiss miss;
  } kCases[] = {
      {"text", "text", DebugMiss::kNotElf},
      {"empty", "", DebugMiss::kNotElf},
      {"another machine", DebugImage(kId, EM_AARCH64), DebugMiss::kWrongKind},
      {"32 bits", narrow, DebugMiss::kWrongKind},
      {"big endian", big_endian, DebugMiss::kWrongKind},
      {"cut in its header", image.substr(0, 40), DebugMiss::kDamaged},
      {"cut in its program headers", image.substr(0, sizeof(Elf64_Ehdr) + 8), DebugMiss::kDamaged},
      {"too many segments", many.Build(), DebugMiss::kTooLarge},
      {"without a build id", DebugImage(""), DebugMiss::kBuildIdDiffers},
  };
  for (const auto& c : kCases) {
    Write(kIdPath, c.image);
    EXPECT_EQ(MissOf(Program(kId, "")), c.miss) << c.what;
  }
}

TEST_F(DebugMissTest, NeverMisnamesATruncatedFile) {
  const std::string image = DebugImage(kId);
  for (size_t size = 0; size < image.size(); ++size) {
    Write(kIdPath, image.substr(0, size));
    const DebugSearch search = Search(Program(kId, ""));
    if (search.file) {  // what was cut off are the section headers: it has its build id, and no sections
      EXPECT_EQ(search.file->elf.build_id(), Program(kId, "").build_id()) << size;
      continue;
    }
    const bool fits = search.miss == DebugMiss::kNotElf || search.miss == DebugMiss::kDamaged ||
                      search.miss == DebugMiss::kBuildIdDiffers;
    EXPECT_TRUE(fits) << size << ": " << DebugMissName(search.miss);
  }
}

TEST_F(DebugMissTest, TellsAWrongCrc) {
  const std::string image = DebugImage("");
  Write("/opt/app/p.debug", image + "x");
  EXPECT_EQ(MissOf(Program("", DebugLinkBytes("p.debug", Crc(image)))), DebugMiss::kWrongCrc);
}

TEST_F(DebugMissTest, TellsALinkThatLeadsBack) {
  Write("/opt/app/program", DebugImage(kId));
  EXPECT_EQ(MissOf(Program(kId, DebugLinkBytes("program", 1))), DebugMiss::kItself);
  // By another name.
  Link("/opt/app/other", "program");
  const StatusOr<ElfFile> elf = ElfFile::Open(*File::Open(root_ + "/opt/app/program"));
  ASSERT_TRUE(elf.ok());
  Link(kIdPath, "/opt/app/program");
  EXPECT_EQ(MissOf(*elf), DebugMiss::kItself);
}

TEST_F(DebugMissTest, TellsWhatCannotBeRead) {
  std::filesystem::create_directories(root_ + "/opt/app");
  ASSERT_EQ(::mkfifo((root_ + "/opt/app/p.debug").c_str(), 0600), 0);
  EXPECT_EQ(MissOf(Program("", DebugLinkBytes("p.debug", 0))), DebugMiss::kUnreadable);
  Link("/opt/app/loop.debug", "loop.debug");
  EXPECT_EQ(MissOf(Program("", DebugLinkBytes("loop.debug", 0))), DebugMiss::kUnreadable);
}

TEST_F(DebugMissTest, DoesNotReadHugeFilesForTheirCrc) {
  Write("/opt/app/p.debug", DebugImage(""));
  std::filesystem::resize_file(root_ + "/opt/app/p.debug", uint64_t{4} << 30);
  EXPECT_EQ(MissOf(Program("", DebugLinkBytes("p.debug", 1))), DebugMiss::kTooLarge);
  // With a build id nothing but headers is read.
  Write("/opt/app/p.debug", DebugImage(kId));
  std::filesystem::resize_file(root_ + "/opt/app/p.debug", uint64_t{4} << 30);
  EXPECT_EQ(MissOf(Program(kId, DebugLinkBytes("p.debug", 1))), DebugMiss::kNone);
}

TEST(DebugMissNameTest, EachHasItsText) {
  std::set<std::string_view> names;
  for (int i = 0; i < kDebugMissCount; ++i) names.insert(DebugMissName(static_cast<DebugMiss>(i)));
  EXPECT_EQ(names.size(), static_cast<size_t>(kDebugMissCount));
  EXPECT_FALSE(names.contains("unknown reason"));
}

// A container and its host.

TEST_F(DebugFileTest, FindsTheFilesOfAContainerOnTheHostAndTheOtherWayRound) {
  const std::string container = folder_ + "/container";
  std::filesystem::create_directories(container);
  const DebugPlaces places = {.path = "/opt/app/program", .roots = {container, root_}};
  Write(kIdPath, DebugImage(kId));
  auto found = FindDebugFile(Program(kId, ""), places).file;
  ASSERT_TRUE(found);
  EXPECT_EQ(found->root, root_);
  std::filesystem::remove_all(root_);
  WriteOutside("/container/opt/app/.debug/program.debug", DebugImage(kId));
  found = FindDebugFile(Program(kId, DebugLinkBytes("program.debug", 0)), places).file;
  ASSERT_TRUE(found);
  EXPECT_EQ(found->root, container);
}

TEST_F(DebugFileTest, AMissInOneRootDoesNotEndTheSearch) {
  WriteOutside("/container" + std::string(kIdPath), "noise");
  Write(kIdPath, DebugImage(kId));
  const auto found = FindDebugFile(Program(kId, ""), {.roots = {folder_ + "/container", root_}});
  ASSERT_TRUE(found.file);
  EXPECT_EQ(found.miss, DebugMiss::kNone);
}

TEST_F(DebugFileTest, LooksIntoFurtherFoldersFirst) {
  const DebugPlaces places = {.path = "/opt/app/program", .roots = {root_}, .debug_folders = {folder_ + "/extra"}};
  const ElfFile program = Program(kId, DebugLinkBytes("p.debug", 0));
  Write(kIdPath, DebugImage(kId));
  const std::vector<std::string> kPlaces = {"/p.debug", "/usr/lib/debug/opt/app/p.debug", "/opt/app/p.debug",
                                            "/usr/lib/debug/.build-id/12/abcdef01020304.debug",
                                            "/.build-id/12/abcdef01020304.debug"};
  EXPECT_EQ(FindDebugFile(program, places).file->root, root_);
  for (const std::string& place : kPlaces) {  // the best one last
    WriteOutside("/extra" + place, DebugImage(kId));
    const auto found = FindDebugFile(program, places).file;
    ASSERT_TRUE(found) << place;
    EXPECT_EQ(found->root, folder_ + "/extra");
    EXPECT_EQ(found->path, place);
  }
  const auto without_path = FindDebugFile(program, {.debug_folders = {folder_ + "/extra"}}).file;
  ASSERT_TRUE(without_path);
}

// What dwz shares.

ElfFile WithAltLink(const std::string& name, const std::string& build_id) {
  ElfBuilder builder;
  builder.AddText(0x1000, 0x100);
  builder.Add({.name = ".gnu_debugaltlink", .bytes = name + '\0' + build_id});
  return *builder.Open();
}

TEST_F(DebugFileTest, FindsTheAltFileByNameByBuildIdAndInItsFolder) {
  const DebugPlaces places = {.roots = {root_}, .debug_folders = {folder_ + "/extra"}};
  const auto find = [&](const std::string& name) {
    const auto found = FindAltFile(WithAltLink(name, kId), "/usr/lib/debug/usr/bin/p.debug", places).file;
    return found ? (found->root == root_ ? "" : "extra:") + found->path : "none";
  };
  const std::string absolute = "/usr/lib/debug/.dwz/x86_64/p.debug", relative = "../../.dwz/x86_64/p.debug";
  EXPECT_EQ(find(absolute), "none");
  Write("/usr/lib/debug/usr/bin/p.debug", DebugImage(kId));
  Write("/usr/lib/debug/.dwz/x86_64/p.debug", DebugImage(kId));
  EXPECT_EQ(find(absolute), absolute);
  EXPECT_EQ(find(relative), "/usr/lib/debug/usr/bin/" + relative);
  EXPECT_EQ(find("../elsewhere/.dwz/x86_64/p.debug"), absolute);
  Write(kIdPath, DebugImage(kId));
  EXPECT_EQ(find("renamed"), kIdPath);
  WriteOutside("/extra/.dwz/x86_64/p.debug", DebugImage(kId));
  EXPECT_EQ(find(absolute), "extra:/.dwz/x86_64/p.debug");
}

TEST_F(DebugFileTest, TheNameOfAnAltFileCountsFromWhereALinkEnds) {
  const std::string real = "/usr/lib/debug/usr/bin/p.debug";
  Write(real, DebugImage(kId));
  Link("/usr/lib/debug/.build-id/ab/cd.debug", "../../usr/bin/p.debug");
  Write("/usr/lib/debug/usr/common", DebugImage(kId));
  const auto found =
      FindAltFile(WithAltLink("../common", kId), "/usr/lib/debug/.build-id/ab/cd.debug", {.roots = {root_}}).file;
  ASSERT_TRUE(found);
  EXPECT_EQ(found->path, "/usr/lib/debug/.build-id/ab/../../usr/bin/../common");
}

TEST_F(DebugFileTest, TakesTheRelocatableFileThatDwzMakes) {
  ElfBuilder common;
  common.patch_header = [](Elf64_Ehdr& header) { header.e_type = ET_REL; };
  common.Add({.name = ".note.gnu.build-id", .type = SHT_NOTE, .bytes = BuildIdNote(kId)});
  common.Add({.name = ".debug_info", .bytes = "some"});
  Write("/opt/app/common", common.Build());
  const auto found = FindAltFile(WithAltLink("common", kId), "/opt/app/p", {.roots = {root_}}).file;
  ASSERT_TRUE(found);
  EXPECT_EQ(found->path, "/opt/app/common");
}

TEST_F(DebugFileTest, RefusesTheAltFileOfAnotherBuild) {
  Write("/opt/alt", DebugImage("another!"));
  EXPECT_EQ(FindAltFile(WithAltLink("/opt/alt", kId), "", {.roots = {root_}}).miss, DebugMiss::kBuildIdDiffers);
  Write("/opt/alt", DebugImage(""));
  EXPECT_EQ(FindAltFile(WithAltLink("/opt/alt", kId), "", {.roots = {root_}}).miss, DebugMiss::kBuildIdDiffers);
  EXPECT_EQ(FindAltFile(Program(kId, ""), "", {.roots = {root_}}).miss, DebugMiss::kNothingToGoBy);
}

// Split DWARF.

std::string DwoImage(uint16_t machine = EM_X86_64) {
  ElfBuilder builder;
  builder.patch_header = [=](Elf64_Ehdr& header) {
    header.e_type = ET_REL;
    header.e_machine = machine;
  };
  builder.Add({.name = ".debug_info.dwo", .bytes = "some"});
  return builder.Build();
}

TEST_F(DebugFileTest, FindsDwoFilesWhereTheyWereCompiledAndBesideTheProgram) {
  const DebugPlaces places = {.path = "/opt/app/program", .roots = {root_}, .debug_folders = {folder_ + "/extra"}};
  const auto find = [&](const std::string& folder, const std::string& name) {
    const auto found = FindDwoFile(Program("", ""), folder, name, places).file;
    return found ? (found->root == root_ ? "" : "extra:") + found->path : "none";
  };
  EXPECT_EQ(find("/build", "obj/a.dwo"), "none");
  Write("/opt/app/a.dwo", DwoImage());
  EXPECT_EQ(find("/build", "obj/a.dwo"), "/opt/app/a.dwo");
  EXPECT_EQ(find("relative", "a.dwo"), "/opt/app/a.dwo");
  Write("/build/obj/a.dwo", DwoImage());
  EXPECT_EQ(find("/build", "obj/a.dwo"), "/build/obj/a.dwo");
  EXPECT_EQ(find("/ignored", "/build/obj/a.dwo"), "/build/obj/a.dwo");
  WriteOutside("/extra/a.dwo", DwoImage());
  EXPECT_EQ(find("/build", "obj/a.dwo"), "extra:/a.dwo");
  EXPECT_EQ(FindDwoFile(Program("", ""), "/build", "", places).miss, DebugMiss::kNothingToGoBy);
  Write("/build/obj/b.dwo", DwoImage(EM_AARCH64));
  EXPECT_EQ(FindDwoFile(Program("", ""), "/build", "obj/b.dwo", places).miss, DebugMiss::kWrongKind);
}

TEST_F(DebugFileTest, FindsTheDwpFileBesideTheProgramOrItsDebugFile) {
  const DebugPlaces places = {.path = "/opt/app/program", .roots = {root_}};
  const auto find = [&] {
    const auto found = FindDwpFile(Program("", ""), "/usr/lib/debug/.build-id/12/34.debug", places).file;
    return found ? found->path : "none";
  };
  EXPECT_EQ(find(), "none");
  Write("/usr/lib/debug/.build-id/12/34.debug.dwp", DwoImage());
  EXPECT_EQ(find(), "/usr/lib/debug/.build-id/12/34.debug.dwp");
  Write("/opt/app/program.dwp", DwoImage());
  EXPECT_EQ(find(), "/opt/app/program.dwp");
}

TEST(AltLinkTest, ReadsNameAndBuildId) {
  const auto link = ReadAltLink(WithAltLink("../dwz/p", "\x12\xab"));
  ASSERT_TRUE(link);
  EXPECT_EQ(link->name, "../dwz/p");
  EXPECT_EQ(link->build_id, "12ab");
  EXPECT_FALSE(ReadAltLink(WithAltLink("", "\x12")));
  EXPECT_FALSE(ReadAltLink(WithAltLink("name", "")));
  EXPECT_FALSE(ReadAltLink(WithAltLink("name", std::string(65, 'x'))));
  EXPECT_FALSE(ReadAltLink(Program("", "")));
}

TEST(DebugLinkTest, ReadsNameAndCrc) {
  const auto link = ReadDebugLink(Program("", DebugLinkBytes("ab.debug", 0x12345678)));
  ASSERT_TRUE(link);
  EXPECT_EQ(link->name, "ab.debug");
  EXPECT_EQ(link->crc, 0x12345678u);
}

TEST(DebugLinkTest, RefusesWhatIsNoFileName) {
  for (const std::string name : {"", ".", "..", "a/b", "/etc/passwd", "../x"}) {
    EXPECT_FALSE(ReadDebugLink(Program("", DebugLinkBytes(name, 1)))) << name;
  }
  EXPECT_FALSE(ReadDebugLink(Program("", DebugLinkBytes(std::string(300, 'a'), 1))));
  EXPECT_FALSE(ReadDebugLink(Program("", "no end of the name")));
  EXPECT_FALSE(ReadDebugLink(Program("", std::string("abc\0\1\2\3", 7)))) << "the CRC is cut";
  EXPECT_FALSE(ReadDebugLink(Program("", std::string(5000, 'a') + '\0')));
}

// The tools' own idea of a debug file, on a program that is there anyway: this one.
TEST_F(DebugFileTest, FindsWhatObjcopyMakes) {
  const std::string program = root_ + "/opt/app/program";
  std::filesystem::create_directories(root_ + "/opt/app/.debug");
  const std::string debug = root_ + "/opt/app/.debug/program.debug";
  const auto run = [](const std::string& command) { return std::system((command + " >/dev/null 2>&1").c_str()) == 0; };
  if (!run("objcopy --version")) GTEST_SKIP() << "objcopy is missing";
  ASSERT_TRUE(run(
      fmt::format("objcopy --only-keep-debug --remove-section=.note.gnu.build-id /proc/{}/exe {}", ::getpid(), debug)));
  ASSERT_TRUE(
      run(fmt::format("objcopy --strip-all --remove-section=.note.gnu.build-id --add-gnu-debuglink={} /proc/{}/exe {}",
                      debug, ::getpid(), program)));
  StatusOr<File> file = File::Open(program);
  ASSERT_TRUE(file.ok()) << file.status();
  const StatusOr<ElfFile> elf = ElfFile::Open(*std::move(file));
  ASSERT_TRUE(elf.ok()) << elf.status();
  EXPECT_EQ(elf->build_id(), "");
  EXPECT_EQ(Find(*elf), "/opt/app/.debug/program.debug");
  std::filesystem::resize_file(debug, std::filesystem::file_size(debug) - 1);
  EXPECT_EQ(Find(*elf), "");
}

}  // namespace
}  // namespace kiln::symbolizer
