// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/build_id.h"

#include <elf.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "base/byte_reader.h"
#include "base/file.h"

namespace kiln::symbolizer {
namespace {

std::string Note(std::string_view name, uint32_t type, std::string_view description) {
  const Elf64_Nhdr head = {.n_namesz = static_cast<Elf64_Word>(name.size()),
                           .n_descsz = static_cast<Elf64_Word>(description.size()),
                           .n_type = type};
  std::string note(reinterpret_cast<const char*>(&head), sizeof(head));
  note += name;
  note.resize((note.size() + 3) / 4 * 4);
  note += description;
  note.resize((note.size() + 3) / 4 * 4);
  return note;
}

constexpr std::string_view kGnu("GNU", 4);

TEST(BuildIdTest, IsFoundAmongNotes) {
  const std::string notes = Note("Linux", 6, "x") + Note(kGnu, 1, "abi") + Note(kGnu, NT_GNU_BUILD_ID, "\x01\xab\xff");
  EXPECT_EQ(BuildIdIn(AsBytes(notes), 4), "01abff");
  EXPECT_EQ(BuildIdIn(AsBytes(Note("Linux", NT_GNU_BUILD_ID, "id")), 4), "");
  EXPECT_EQ(BuildIdIn({}, 4), "");
}

TEST(BuildIdTest, OfThisKernelIsWhatItsNotesSay) {
  const std::string path = "/sys/kernel/notes";
  if (!ReadFile(path, 1 << 20).ok()) GTEST_SKIP() << "no " << path;
  EXPECT_GE(BuildIdOfNotesFile(path).size(), 16u);
}

TEST(BuildIdTest, AFileThatIsNoneHasNone) {
  const std::string path = ::testing::TempDir() + "/build_id_test";
  EXPECT_EQ(BuildIdOfNotesFile(path + "/none"), "");
  EXPECT_EQ(BuildIdOfNotesFile("/dev/zero"), "");
  EXPECT_EQ(BuildIdOfNotesFile("/"), "");
  ASSERT_TRUE(WriteFileAtomically(path, Note(kGnu, NT_GNU_BUILD_ID, std::string(65, 'x'))).ok());
  EXPECT_EQ(BuildIdOfNotesFile(path), "");
  ASSERT_TRUE(WriteFileAtomically(path, Note(kGnu, NT_GNU_BUILD_ID, "12345678")).ok());
  EXPECT_EQ(BuildIdOfNotesFile(path), "3132333435363738");
}

}  // namespace
}  // namespace kiln::symbolizer
