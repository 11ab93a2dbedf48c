// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/section_unpack.h"

#include <gtest/gtest.h>
#include <zlib.h>
#include <zstd.h>

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

std::string Zstd(const std::string& text, int level = 3, int window_log = 0) {
  std::string packed(::ZSTD_compressBound(text.size()), '\0');
  ZSTD_CCtx* context = ::ZSTD_createCCtx();
  (void)::ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, level);
  if (window_log != 0) {
    (void)::ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, window_log);
    (void)::ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, 0);
  }
  // In pieces, as otherwise the size of the text decides about the window.
  ZSTD_inBuffer in{.src = text.data(), .size = text.size(), .pos = 0};
  ZSTD_outBuffer out{.dst = packed.data(), .size = packed.size(), .pos = 0};
  (void)::ZSTD_compressStream2(context, &out, &in, ZSTD_e_continue);
  EXPECT_EQ(::ZSTD_compressStream2(context, &out, &in, ZSTD_e_end), 0u);
  ::ZSTD_freeCCtx(context);
  packed.resize(out.pos);
  return packed;
}

constexpr uint32_t kZstd = 2;

TEST(SectionUnpackTest, UnpacksZstandard) {
  const std::string text(100'000, 'x');
  const auto bytes = UnpackSection(AsBytes(Packed(Zstd(text), text.size(), kZstd)), text.size());
  ASSERT_TRUE(bytes.ok()) << bytes.status();
  EXPECT_EQ(AsText(*bytes), text);
  EXPECT_TRUE(UnpackSection(AsBytes(Packed(Zstd(""), 0, kZstd)), 0).ok());
  const std::string twice = Zstd("0123") + Zstd("4567");
  EXPECT_EQ(AsText(*UnpackSection(AsBytes(Packed(twice, 8, kZstd)), 8)), "01234567");
}

TEST(SectionUnpackTest, RefusesDamagedZstandard) {
  const std::string data = Zstd("some text");
  EXPECT_EQ(CodeOf(Packed("", 9, kZstd)), absl::StatusCode::kDataLoss);
  EXPECT_EQ(CodeOf(Packed("noise", 9, kZstd)), absl::StatusCode::kDataLoss);
  for (size_t size = 0; size < data.size(); ++size) {
    EXPECT_EQ(CodeOf(Packed(data.substr(0, size), 9, kZstd)), absl::StatusCode::kDataLoss) << size;
  }
  EXPECT_EQ(CodeOf(Packed(data, 8, kZstd)), absl::StatusCode::kDataLoss) << "more than announced";
  EXPECT_EQ(CodeOf(Packed(data, 10, kZstd)), absl::StatusCode::kDataLoss) << "less than announced";
  EXPECT_EQ(CodeOf(Packed(data, UINT64_MAX, kZstd)), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(CodeOf(Packed(Zstd("some text", 3, 27), 9, kZstd)), absl::StatusCode::kDataLoss) << "a window of 128 MiB";
}

std::string GnuPacked(const std::string& data, uint64_t size) {
  const uint64_t big_endian = __builtin_bswap64(size);
  return "ZLIB" + std::string(AsText(std::as_bytes(std::span(&big_endian, 1)))) + data;
}

TEST(SectionUnpackTest, UnpacksTheOldGnuForm) {
  const std::string text(1000, 'x');
  const auto unpack = [](const std::string& packed, uint64_t limit = 1000) {
    return UnpackGnuSection(AsBytes(packed), limit);
  };
  EXPECT_EQ(AsText(*unpack(GnuPacked(Zlib(text), 1000))), text);
  EXPECT_EQ(unpack("ZLIB").status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(unpack("text without a header").status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(unpack(GnuPacked(Zlib(text), 1001), 1000).status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(unpack(GnuPacked(Zlib(text), 999)).status().code(), absl::StatusCode::kDataLoss);
}

TEST(SectionUnpackTest, ReadsSectionsInTheOldGnuFormUnderTheirNewName) {
  ElfBuilder builder;
  builder.Add({.name = ".zdebug_info", .bytes = GnuPacked(Zlib("0123456789"), 10)});
  const StatusOr<ElfFile> elf = builder.Open();
  const ElfFile::Section* section = elf->FindSection(".debug_info");
  ASSERT_NE(section, nullptr);
  EXPECT_TRUE(elf->IsCompressed(*section));
  EXPECT_EQ(AsText(*elf->ReadSection(*section, 100)), "0123456789");
  std::byte one;
  EXPECT_EQ(elf->ReadSectionAt(*section, 0, {&one, 1}).code(), absl::StatusCode::kUnimplemented);
}

}  // namespace
}  // namespace kiln::symbolizer
