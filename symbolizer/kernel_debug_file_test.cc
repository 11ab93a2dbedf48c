// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/kernel_debug_file.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "symbolizer/testing/elf_builder.h"

namespace kiln::symbolizer {
namespace {

using testing::BuildIdNote;
using testing::ElfBuilder;

constexpr char kId[] = "\x12\xab\xcd\xef\x01\x02\x03\x04";
constexpr char kHexId[] = "12abcdef01020304";
constexpr char kById[] = "/usr/lib/debug/.build-id/12/abcdef01020304.debug";
constexpr char kRelease[] = "6.1.0-50-amd64";

std::string Vmlinux(const std::string& build_id = kId, bool has_debug_info = true) {
  ElfBuilder builder;
  builder.AddNoteSegment(BuildIdNote(build_id), 4);
  builder.AddText(0x1000, 0x100);
  if (has_debug_info) builder.Add({.name = ".debug_info", .bytes = "some"});
  return builder.Build();
}

std::string Module(const std::string& build_id = kId) {
  ElfBuilder builder;
  builder.patch_header = [](Elf64_Ehdr& header) { header.e_type = ET_REL; };
  builder.Add({.name = ".note.gnu.build-id", .type = SHT_NOTE, .flags = SHF_ALLOC, .bytes = BuildIdNote(build_id)});
  builder.AddText(0, 0x100);
  builder.Add({.name = ".debug_info", .bytes = "some"});
  return builder.Build();
}

class KernelDebugFileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = (std::filesystem::temp_directory_path() / "kiln_kernel_debug_file.XXXXXX").string();
    ASSERT_NE(::mkdtemp(folder_.data()), nullptr);
    std::filesystem::create_directories(folder_ + "/root");
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  // `path` begins with /root or /debug, a folder laid out like /usr/lib/debug.
  void Write(const std::string& path, const std::string& bytes) {
    std::filesystem::create_directories(std::filesystem::path(folder_ + path).parent_path());
    ASSERT_TRUE(WriteFileAtomically(folder_ + path, bytes).ok());
  }
  DebugSearch Search(const KernelImage& image) const {
    return FindKernelDebugFile(image, {.roots = {folder_ + "/root"}, .debug_folders = {folder_ + "/debug"}});
  }
  // Root and path of the file that is found; "" if none is.
  std::string Find(const std::string& module = "", const std::string& release = kRelease) const {
    const auto file = Search({.module = module, .build_id = kHexId, .release = release}).file;
    return file ? file->root.substr(folder_.size()) + file->path : "";
  }
  std::string folder_;
};

TEST_F(KernelDebugFileTest, FindsTheKernelInEachOfItsPlaces) {
  for (const std::string& path :
       {std::string("/root") + kById, std::string("/root/usr/lib/debug/boot/vmlinux-6.1.0-50-amd64"),
        std::string("/root/usr/lib/debug/boot/vmlinux-6.1.0-50-amd64.debug"),
        std::string("/root/usr/lib/debug/lib/modules/6.1.0-50-amd64/vmlinux"),
        std::string("/root/usr/lib/debug/usr/lib/modules/6.1.0-50-amd64/vmlinux"),
        std::string("/root/lib/modules/6.1.0-50-amd64/vmlinux"),
        std::string("/root/lib/modules/6.1.0-50-amd64/build/vmlinux"), std::string("/root/boot/vmlinux-6.1.0-50-amd64"),
        std::string("/debug/.build-id/12/abcdef01020304.debug"), std::string("/debug/boot/vmlinux-6.1.0-50-amd64"),
        std::string("/debug/usr/lib/debug/boot/vmlinux-6.1.0-50-amd64")}) {
    Write(path, Vmlinux());
    EXPECT_EQ(Find(), path);
    std::filesystem::remove(folder_ + path);
  }
  EXPECT_EQ(Find(), "");
}

TEST_F(KernelDebugFileTest, PassesOverKernelsOfAnotherBuildAndThoseWithoutDebugInformation) {
  Write("/root/usr/lib/debug/boot/vmlinux-6.1.0-50-amd64", Vmlinux("another!"));
  const DebugSearch search = Search({.build_id = kHexId, .release = kRelease});
  EXPECT_EQ(search.miss, DebugMiss::kBuildIdDiffers);
  EXPECT_EQ(search.passed_over, folder_ + "/root/usr/lib/debug/boot/vmlinux-6.1.0-50-amd64");
  Write("/root/usr/lib/debug/boot/vmlinux-6.1.0-50-amd64", Vmlinux(kId, false));
  EXPECT_EQ(Search({.build_id = kHexId, .release = kRelease}).miss, DebugMiss::kNoDebugInfo);
  Write("/root/boot/vmlinux-6.1.0-50-amd64", Vmlinux());
  EXPECT_EQ(Find(), "/root/boot/vmlinux-6.1.0-50-amd64");
}

TEST_F(KernelDebugFileTest, BelievesNoKernelWithoutABuildIdToCompare) {
  Write("/root/boot/vmlinux-6.1.0-50-amd64", Vmlinux());
  EXPECT_EQ(Search({.build_id = "", .release = kRelease}).miss, DebugMiss::kNothingToGoBy);
  ElfBuilder no_id;
  no_id.Add({.name = ".debug_info", .bytes = "some"});
  Write("/root/boot/vmlinux-6.1.0-50-amd64", no_id.Build());
  EXPECT_EQ(Find(), "");
}

TEST_F(KernelDebugFileTest, FindsModulesAnywhereInTheirTrees) {
  for (const std::string& path :
       {std::string("/root") + kById, std::string("/root/usr/lib/debug/lib/modules/6.1.0-50-amd64/kernel/fs/a_b.ko"),
        std::string("/root/usr/lib/debug/lib/modules/6.1.0-50-amd64/kernel/fs/a-b.ko.debug"),
        std::string("/root/usr/lib/debug/usr/lib/modules/6.1.0-50-amd64/updates/dkms/a_b.ko"),
        std::string("/root/lib/modules/6.1.0-50-amd64/extra/a-b.ko"),
        std::string("/debug/lib/modules/6.1.0-50-amd64/kernel/a_b.ko"),
        std::string("/debug/usr/lib/debug/lib/modules/6.1.0-50-amd64/kernel/a_b.ko")}) {
    Write(path, Module());
    EXPECT_EQ(Find("a_b"), path);
    EXPECT_EQ(Find("a_b", "6.1.0-51-amd64"), path.ends_with("04.debug") ? path : "");
    std::filesystem::remove(folder_ + path);
  }
}

TEST_F(KernelDebugFileTest, OfModulesOfOneNameTheBuildIdTells) {
  Write("/root/usr/lib/debug/lib/modules/6.1.0-50-amd64/kernel/a_b.ko", Module("another!"));
  EXPECT_EQ(Find("a_b"), "");
  Write("/root/usr/lib/debug/lib/modules/6.1.0-50-amd64/updates/a_b.ko", Module());
  Write("/root/usr/lib/debug/lib/modules/6.1.0-50-amd64/kernel/xa_b.ko", Module());
  EXPECT_EQ(Find("a_b"), "/root/usr/lib/debug/lib/modules/6.1.0-50-amd64/updates/a_b.ko");
}

TEST_F(KernelDebugFileTest, FollowsNoLinksInModuleTrees) {
  Write("/elsewhere/a_b.ko", Module());
  std::filesystem::create_directories(folder_ + "/root/lib/modules/6.1.0-50-amd64");
  std::filesystem::create_symlink("..", folder_ + "/root/lib/modules/6.1.0-50-amd64/loop");
  std::filesystem::create_symlink(folder_ + "/elsewhere", folder_ + "/root/lib/modules/6.1.0-50-amd64/out");
  std::filesystem::create_symlink(folder_ + "/elsewhere/a_b.ko", folder_ + "/root/lib/modules/6.1.0-50-amd64/a_b.ko");
  EXPECT_EQ(Find("a_b"), "");
}

TEST_F(KernelDebugFileTest, ANameThatIsNoneLeadsNowhere) {
  Write("/root/boot/vmlinux-x", Vmlinux());
  Write("/root/lib/modules/a_b.ko", Module());
  EXPECT_EQ(Find("", "/../../boot/vmlinux-x"), "");
  EXPECT_EQ(Find("", ""), "");
  EXPECT_EQ(Find("a_b", ".."), "");
  EXPECT_EQ(Find("../a_b"), "");
}

}  // namespace
}  // namespace kiln::symbolizer
