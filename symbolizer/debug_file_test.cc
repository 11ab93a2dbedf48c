// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/debug_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <cstdlib>
#include <filesystem>

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
