// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/section_unpack.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include "symbolizer/testing/elf_builder.h"

namespace kiln::symbolizer {
namespace {

using testing::ElfBuilder;

std::string Zlib(const std::string& text) {
  std::string packed(::compressBound(text.size()), '\0');
  uLongf size = packed.size();
  EXPECT_EQ(::compress(reinterpret_cast<Bytef*>(packed.data()), &size, reinterpret_cast<const Bytef*>(text.data()),
                       text.size()),
            Z_OK);
  packed.resize(size);
  return packed;
}

std::string Packed(const std::string& data, uint64_t size, uint32_t type = ELFCOMPRESS_ZLIB) {
  const Elf64_Chdr header{.ch_type = type, .ch_reserved = 0, .ch_size = size, .ch_addralign = 1};
  return std::string(AsText(std::as_bytes(std::span(&header, 1)))) + data;
}

absl::StatusCode CodeOf(const std::string& packed, uint64_t limit = 1 << 20) {
  return UnpackSection(AsBytes(packed), limit).status().code();
}

TEST(SectionUnpackTest, Unpacks) {
  const std::string text(100'000, 'x');
  const auto bytes = UnpackSection(AsBytes(Packed(Zlib(text), text.size())), text.size());
  ASSERT_TRUE(bytes.ok()) << bytes.status();
  EXPECT_EQ(AsText(*bytes), text);
  EXPECT_TRUE(UnpackSection(AsBytes(Packed(Zlib(""), 0)), 0).ok());
}

TEST(SectionUnpackTest, RefusesWhatIsDamagedOrTooLarge) {
  const std::string data = Zlib("some text");
  EXPECT_EQ(CodeOf(""), absl::StatusCode::kDataLoss);
  EXPECT_EQ(CodeOf(Packed("", 9)), absl::StatusCode::kDataLoss);
  EXPECT_EQ(CodeOf(Packed("noise", 9)), absl::StatusCode::kDataLoss);
  EXPECT_EQ(CodeOf(Packed(data.substr(0, data.size() - 3), 9)), absl::StatusCode::kDataLoss);
  EXPECT_EQ(CodeOf(Packed(data, 8)), absl::StatusCode::kDataLoss) << "more than announced";
  EXPECT_EQ(CodeOf(Packed(data, 10)), absl::StatusCode::kDataLoss) << "less than announced";
  EXPECT_EQ(CodeOf(Packed(data, UINT64_MAX)), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(CodeOf(Packed(data, 9, 3)), absl::StatusCode::kUnimplemented);
}

TEST(SectionUnpackTest, SectionsAreReadUnpacked) {
  ElfBuilder builder;
  const uint32_t index =
      builder.Add({.name = ".debug_frame", .flags = SHF_COMPRESSED, .bytes = Packed(Zlib("0123456789"), 10)});
  const StatusOr<ElfFile> elf = builder.Open();
  ASSERT_TRUE(elf.ok());
  const ElfFile::Section& section = elf->sections()[index];
  EXPECT_EQ(AsText(*elf->ReadSection(section, 100)), "0123456789");
  EXPECT_EQ(elf->ReadSection(section, section.size - 1).status().code(), absl::StatusCode::kResourceExhausted);
  std::byte one;
  EXPECT_EQ(elf->ReadSectionAt(section, 0, {&one, 1}).code(), absl::StatusCode::kUnimplemented);
}

}  // namespace
}  // namespace kiln::symbolizer
