// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/elf_file.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>

#include "symbolizer/symbol.h"
#include "symbolizer/symbol_table.h"
#include "symbolizer/testing/elf_builder.h"

namespace kiln::symbolizer {
namespace {

using testing::BuildIdNote;
using testing::ElfBuilder;
using testing::LoadSegment;
using testing::Note;
using testing::TestSection;

ElfBuilder SmallLibrary() {
  ElfBuilder builder;
  builder.AddSegment(LoadSegment(0, 0, 0x800, PF_R));
  builder.AddSegment(LoadSegment(0x1000, 0x401000, 0x500, PF_R | PF_X));
  builder.AddSegment(LoadSegment(0x1500, 0x402500, 0x100, PF_R | PF_W));
  builder.AddNoteSegment(BuildIdNote("\x12\xab\xff"), 4);
  builder.AddText(0x401000, 0x500);
  builder.AddSymbols(SHT_SYMTAB, {{.name = "foo", .value = 0x401000, .size = 0x10}});
  return builder;
}

TEST(ElfFileTest, ReadsSegmentsSectionsAndBuildId) {
  const StatusOr<ElfFile> elf = SmallLibrary().Open();
  ASSERT_TRUE(elf.ok()) << elf.status();
  EXPECT_EQ(elf->machine(), EM_X86_64);
  EXPECT_EQ(elf->build_id(), "12abff");
  ASSERT_EQ(elf->segments().size(), 3u);
  EXPECT_EQ(elf->segments()[1].offset, FileOffset(0x1000));
  EXPECT_EQ(elf->segments()[1].address, ElfAddress(0x401000));
  EXPECT_TRUE(elf->segments()[1].executable);
  EXPECT_FALSE(elf->segments()[2].executable);
  EXPECT_TRUE(elf->section_status().ok());
  ASSERT_NE(elf->FindSection(".symtab"), nullptr);
  EXPECT_EQ(elf->FindSection(".symtab"), elf->FindSectionOfType(SHT_SYMTAB));
  EXPECT_EQ(elf->FindSection(".absent"), nullptr);
  EXPECT_EQ(elf->SectionName(elf->sections()[1]), ".text");
}

TEST(ElfFileTest, TranslatesFileOffsets) {
  const StatusOr<ElfFile> elf = SmallLibrary().Open();
  ASSERT_TRUE(elf.ok());
  const struct {
    uint64_t offset;
    std::optional<ElfAddress> address;
  } kCases[] = {
      {0, ElfAddress(0)},
      {0x7ff, ElfAddress(0x7ff)},
      {0x800, std::nullopt},
      {0x1000, ElfAddress(0x401000)},
      {0x14ff, ElfAddress(0x4014ff)},
      {0x1500, ElfAddress(0x402500)},
      {0x1600, std::nullopt},
      {UINT64_MAX, std::nullopt},
  };
  for (const auto& c : kCases) EXPECT_EQ(elf->ToElfAddress(FileOffset(c.offset)), c.address) << c.offset;
}

TEST(ElfFileTest, PrefersTheExecutableOneOfOverlappingSegments) {
  ElfBuilder builder;
  builder.AddSegment(LoadSegment(0, 0x10000, 0x2000, PF_R));
  builder.AddSegment(LoadSegment(0x1000, 0x50000, 0x1000, PF_R | PF_X));
  const StatusOr<ElfFile> elf = builder.Open();
  ASSERT_TRUE(elf.ok());
  EXPECT_EQ(elf->ToElfAddress(FileOffset(0x1010)), ElfAddress(0x50010));
  EXPECT_EQ(elf->ToElfAddress(FileOffset(0x10)), ElfAddress(0x10010));
}

// As lld lays files out: the segments share a page of the file, which is mapped once for each.
TEST(ElfFileTest, TellsWhatAMappingOfWholePagesBegins) {
  ElfBuilder builder;
  builder.AddSegment(LoadSegment(0, 0, 0x15a44, PF_R));
  builder.AddSegment(LoadSegment(0x15a50, 0x16a50, 0x42460, PF_R | PF_X));
  builder.AddSegment(LoadSegment(0x57eb0, 0x59eb0, 0x2d18, PF_R | PF_W));
  const StatusOr<ElfFile> elf = builder.Open();
  ASSERT_TRUE(elf.ok());
  const struct {
    uint64_t offset, bytes;
    std::optional<ElfAddress> address;
  } kCases[] = {
      {0x15000, 0x43000, ElfAddress(0x16000)},
      {0x16000, 0x1000, ElfAddress(0x17000)},  // a part of the code
      {0x57000, 0x4000, ElfAddress(0x58000)},
      {0x58000, 0x3000, ElfAddress(0x5a000)},  // no code: data that was mapped executable
      {0x2000, 0x1000, ElfAddress(0x2000)},
      {0x15a44, 12, std::nullopt},  // between two segments
      {0x5b000, 0x1000, std::nullopt},
      {UINT64_MAX, UINT64_MAX, std::nullopt},
  };
  for (const auto& c : kCases) EXPECT_EQ(elf->StartOfMapping(FileOffset(c.offset), c.bytes), c.address) << c.offset;
}

TEST(ElfFileTest, TheStartOfAMappingMayWrapAround) {
  ElfBuilder builder;
  builder.AddSegment(LoadSegment(0x1010, 0x10, 0x1000, PF_R | PF_X));
  const StatusOr<ElfFile> elf = builder.Open();
  ASSERT_TRUE(elf.ok());
  EXPECT_EQ(elf->StartOfMapping(FileOffset(0), 0x3000), ElfAddress(-uint64_t{0x1000}));
}

TEST(ElfFileTest, FindsExecutableSegments) {
  const StatusOr<ElfFile> elf = SmallLibrary().Open();
  ASSERT_TRUE(elf.ok());
  EXPECT_EQ(elf->ExecutableSegmentContaining(ElfAddress(0x4014ff)), &elf->segments()[1]);
  EXPECT_EQ(elf->ExecutableSegmentContaining(ElfAddress(0x401500)), nullptr);
  EXPECT_EQ(elf->ExecutableSegmentContaining(ElfAddress(0x402500)), nullptr);
}

TEST(ElfFileTest, LeavesOutSegmentsThatOverflow) {
  ElfBuilder builder;
  builder.AddSegment(LoadSegment(UINT64_MAX - 1, 0, 0x1000, PF_X));
  builder.AddSegment(LoadSegment(0, UINT64_MAX - 1, 0x1000, PF_X));
  const StatusOr<ElfFile> elf = builder.Open();
  ASSERT_TRUE(elf.ok());
  EXPECT_TRUE(elf->segments().empty());
}

TEST(ElfFileTest, FindsTheBuildIdWhereverItIs) {
  const std::string property = Note(5, std::string("GNU\0", 4), std::string(12, 'p'), 8);
  const std::string id = BuildIdNote("\x01\x02");
  const struct {
    std::string what;
    std::string segment;
    uint64_t alignment;
    std::string section;
    std::string expected;
  } kCases[] = {
      {"nowhere", "", 4, "", ""},
      {"alone in a segment", id, 4, "", "0102"},
      {"behind another note", Note(1, std::string("Go\0\0", 4), "abc") + id, 4, "", "0102"},
      {"in a segment aligned to 8, behind a property",
       property + Note(NT_GNU_BUILD_ID, std::string("GNU\0", 4), "\x03", 8), 8, "", "03"},
      {"only in a section", "", 4, id, "0102"},
      {"of another vendor", Note(NT_GNU_BUILD_ID, std::string("XNU\0", 4), "\x01"), 4, "", ""},
      {"empty", BuildIdNote(""), 4, "", ""},
      {"too long", BuildIdNote(std::string(65, 'x')), 4, "", ""},
      {"cut in the description", id.substr(0, id.size() - 3), 4, "", ""},
      {"last without padding", BuildIdNote("\x05").substr(0, 17), 4, "", "05"},
      {"behind a note of 4 GB", Note(1, "abc", "").replace(4, 4, "\xff\xff\xff\xff") + id, 4, "", ""},
  };
  for (const auto& c : kCases) {
    ElfBuilder builder;
    if (!c.segment.empty()) builder.AddNoteSegment(c.segment, c.alignment);
    if (!c.section.empty()) builder.Add({.name = ".note", .type = SHT_NOTE, .bytes = c.section});
    const StatusOr<ElfFile> elf = builder.Open();
    ASSERT_TRUE(elf.ok()) << c.what;
    EXPECT_EQ(elf->build_id(), c.expected) << c.what;
  }
}

TEST(ElfFileTest, RefusesOtherFilesWithTheReason) {
  const auto patched = [](auto patch) {
    ElfBuilder builder = SmallLibrary();
    builder.patch_header = patch;
    return builder.Build();
  };
  const std::string good = SmallLibrary().Build();
  const struct {
    std::string what;
    std::string image;
    Miss miss;
  } kCases[] = {
      {"empty", "", Miss::kNotElf},
      {"shorter than the magic", "\x7f", Miss::kNotElf},
      {"a script", "#!/bin/sh\necho this is a script\n", Miss::kNotElf},
      {"32 bits", patched([](Elf64_Ehdr& h) { h.e_ident[EI_CLASS] = ELFCLASS32; }), Miss::kWrongClass},
      {"no class", patched([](Elf64_Ehdr& h) { h.e_ident[EI_CLASS] = 0; }), Miss::kWrongClass},
      {"big endian", patched([](Elf64_Ehdr& h) { h.e_ident[EI_DATA] = ELFDATA2MSB; }), Miss::kWrongClass},
      {"relocatable", patched([](Elf64_Ehdr& h) { h.e_type = ET_REL; }), Miss::kWrongClass},
      {"core dump", patched([](Elf64_Ehdr& h) { h.e_type = ET_CORE; }), Miss::kWrongClass},
      {"32 bits, cut", good.substr(0, 4) + '\1' + '\1' + std::string(12, '\0'), Miss::kWrongClass},
      {"program headers beyond the end", patched([](Elf64_Ehdr& h) { h.e_phoff = 1 << 30; }), Miss::kDamaged},
      {"program headers that overflow", patched([](Elf64_Ehdr& h) { h.e_phoff = UINT64_MAX - 8; }), Miss::kDamaged},
      {"program headers of another size", patched([](Elf64_Ehdr& h) { h.e_phentsize = 32; }), Miss::kDamaged},
      {"too many program headers", patched([](Elf64_Ehdr& h) { h.e_phnum = 5000; }), Miss::kTooLarge},
  };
  for (const auto& c : kCases) {
    const StatusOr<ElfFile> elf = ElfBuilder::OpenText(c.image);
    ASSERT_FALSE(elf.ok()) << c.what;
    EXPECT_EQ(MissFromStatus(elf.status()), c.miss) << c.what << ": " << elf.status();
  }
}

TEST(ElfFileTest, OpensWithoutSectionsIfTheirHeadersAreUnusable) {
  const struct {
    std::string what;
    std::function<void(Elf64_Ehdr&)> patch;
    Miss miss;
  } kCases[] = {
      {"beyond the end", [](Elf64_Ehdr& h) { h.e_shoff = 1 << 30; }, Miss::kDamaged},
      {"cut", [](Elf64_Ehdr& h) { h.e_shoff += 64; }, Miss::kDamaged},
      {"overflow", [](Elf64_Ehdr& h) { h.e_shoff = UINT64_MAX - 1; }, Miss::kDamaged},
      {"another size", [](Elf64_Ehdr& h) { h.e_shentsize = 40; }, Miss::kDamaged},
  };
  for (const auto& c : kCases) {
    ElfBuilder builder = SmallLibrary();
    builder.patch_header = c.patch;
    const StatusOr<ElfFile> elf = builder.Open();
    ASSERT_TRUE(elf.ok()) << c.what;
    EXPECT_TRUE(elf->sections().empty()) << c.what;
    EXPECT_EQ(MissFromStatus(elf->section_status()), c.miss) << c.what;
    EXPECT_EQ(elf->ToElfAddress(FileOffset(0x1000)), ElfAddress(0x401000)) << c.what;
    EXPECT_EQ(MissFromStatus(SymbolTable::Read(*elf).status()), c.miss) << c.what;
  }
}

TEST(ElfFileTest, SaysThatThereAreTooManySections) {
  ElfBuilder builder = SmallLibrary();
  builder.patch_header = [](Elf64_Ehdr& h) { h.e_shnum = 0; };
  builder.patch_sections = [](std::vector<Elf64_Shdr>& s) { s[0].sh_size = uint64_t{1} << 40; };
  const StatusOr<ElfFile> elf = builder.Open();
  ASSERT_TRUE(elf.ok());
  EXPECT_EQ(MissFromStatus(elf->section_status()), Miss::kTooLarge);
}

TEST(ElfFileTest, FollowsExtendedNumbering) {
  ElfBuilder builder = SmallLibrary();
  uint16_t sections = 0;
  uint16_t segments = 0;
  uint16_t names = 0;
  builder.patch_header = [&](Elf64_Ehdr& h) {
    sections = std::exchange(h.e_shnum, 0);
    segments = std::exchange(h.e_phnum, PN_XNUM);
    names = std::exchange(h.e_shstrndx, SHN_XINDEX);
  };
  builder.Build();  // to learn the numbers
  builder.patch_sections = [&](std::vector<Elf64_Shdr>& s) {
    s[0].sh_size = sections;
    s[0].sh_info = segments;
    s[0].sh_link = names;
  };
  const StatusOr<ElfFile> elf = builder.Open();
  ASSERT_TRUE(elf.ok()) << elf.status();
  EXPECT_EQ(elf->sections().size(), sections);
  EXPECT_EQ(elf->segments().size(), 3u);
  EXPECT_NE(elf->FindSection(".symtab"), nullptr);
}

TEST(ElfFileTest, ReadsMoreSectionsThanTheHeaderCanCount) {
  ElfBuilder builder;
  for (int i = 0; i < 70'000; ++i) builder.Add({.name = "s"});
  builder.AddText(0x1000, 0x100);
  builder.AddSymbols(SHT_SYMTAB, {{.name = "last", .value = 0x1000, .size = 4, .section = SHN_XINDEX}});
  uint64_t count = 0;
  builder.patch_sections = [&](std::vector<Elf64_Shdr>& s) {
    count = s[0].sh_size = s.size();
    s[0].sh_link = static_cast<uint32_t>(s.size() - 1);
  };
  builder.patch_header = [](Elf64_Ehdr& h) {
    h.e_shnum = 0;
    h.e_shstrndx = SHN_XINDEX;
  };
  const StatusOr<ElfFile> elf = builder.Open();
  ASSERT_TRUE(elf.ok()) << elf.status();
  EXPECT_EQ(elf->sections().size(), count);
  const StatusOr<SymbolTable> table = SymbolTable::Read(*elf);
  ASSERT_TRUE(table.ok());
  EXPECT_EQ(table->LookupRaw(ElfAddress(0x1003)), "last");
}

TEST(ElfFileTest, ReadsSectionsWithinTheirBounds) {
  ElfBuilder builder;
  builder.Add({.name = ".data", .bytes = "0123456789"});
  const StatusOr<ElfFile> elf = builder.Open();
  ASSERT_TRUE(elf.ok());
  const ElfFile::Section& data = *elf->FindSection(".data");
  EXPECT_EQ(AsText(*elf->ReadSection(data, 10)), "0123456789");
  EXPECT_EQ(elf->ReadSection(data, 9).status().code(), absl::StatusCode::kResourceExhausted);
  std::vector<std::byte> part(3);
  ASSERT_TRUE(elf->ReadSectionAt(data, 7, part).ok());
  EXPECT_EQ(AsText(part), "789");
  EXPECT_EQ(elf->ReadSectionAt(data, 8, part).code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(elf->ReadSectionAt(data, UINT64_MAX, part).code(), absl::StatusCode::kOutOfRange);
}

TEST(ElfFileTest, RefusesSectionsWithoutPlainBytes) {
  const struct {
    std::string what;
    std::function<void(Elf64_Shdr&)> patch;
    absl::StatusCode code;
  } kCases[] = {
      {"no bits", [](Elf64_Shdr& s) { s.sh_type = SHT_NOBITS; }, absl::StatusCode::kNotFound},
      {"beyond the end", [](Elf64_Shdr& s) { s.sh_size = 1 << 20; }, absl::StatusCode::kDataLoss},
      {"starts beyond the end", [](Elf64_Shdr& s) { s.sh_offset = UINT64_MAX; }, absl::StatusCode::kDataLoss},
      {"overflow", [](Elf64_Shdr& s) { s.sh_size = UINT64_MAX; }, absl::StatusCode::kDataLoss},
  };
  for (const auto& c : kCases) {
    ElfBuilder builder;
    const uint32_t index = builder.Add({.name = ".data", .bytes = "0123456789"});
    builder.patch_sections = [&](std::vector<Elf64_Shdr>& s) { c.patch(s[index]); };
    const StatusOr<ElfFile> elf = builder.Open();
    ASSERT_TRUE(elf.ok()) << c.what;
    EXPECT_EQ(elf->ReadSection(elf->sections()[index], 1 << 30).status().code(), c.code) << c.what;
    std::byte one;
    EXPECT_EQ(elf->ReadSectionAt(elf->sections()[index], 0, {&one, 1}).code(), c.code) << c.what;
  }
}

TEST(ElfFileTest, LeavesSectionsAnonymousIfTheirNamesAreDamaged) {
  ElfBuilder builder = SmallLibrary();
  builder.patch_sections = [](std::vector<Elf64_Shdr>& s) {
    s[1].sh_name = 0x7fffffff;
    s.back().sh_size -= 3;  // the last name has no end
  };
  const StatusOr<ElfFile> elf = builder.Open();
  ASSERT_TRUE(elf.ok());
  EXPECT_EQ(elf->SectionName(elf->sections()[1]), "");
  EXPECT_EQ(elf->SectionName(elf->sections().back()), "");
  EXPECT_NE(elf->FindSection(".symtab"), nullptr);
}

// Every cut of a good file either opens or says why not, and what it names is the truth.
TEST(ElfFileTest, SurvivesTruncationAtEveryByte) {
  const std::string good = SmallLibrary().Build();
  int named = 0;
  for (size_t length = 0; length < good.size(); ++length) {
    const StatusOr<ElfFile> elf = ElfBuilder::OpenText(std::string_view(good).substr(0, length));
    if (!elf.ok()) continue;
    const StatusOr<SymbolTable> table = SymbolTable::Read(*elf);
    if (!table.ok()) {
      EXPECT_EQ(MissFromStatus(table.status()), Miss::kDamaged) << length;
      continue;
    }
    const std::string_view name = table->LookupRaw(ElfAddress(0x401004));
    EXPECT_TRUE(name.empty() || name == "foo") << length;
    named += name == "foo";
  }
  EXPECT_EQ(named, 0);  // the section headers are at the end
}

class SparseFile {
 public:
  explicit SparseFile(const std::string& image) {
    std::string path = ::testing::TempDir() + "/sparse.XXXXXX";
    fd_ = UniqueFd(::mkstemp(path.data()));
    path_ = path;
    EXPECT_EQ(::write(fd_.get(), image.data(), image.size()), static_cast<ssize_t>(image.size()));
  }
  ~SparseFile() { ::unlink(path_.c_str()); }
  void WriteAt(uint64_t offset, std::string_view bytes) {
    EXPECT_EQ(::pwrite(fd_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset)),
              static_cast<ssize_t>(bytes.size()));
  }
  void Truncate(uint64_t size) { EXPECT_EQ(::ftruncate(fd_.get(), static_cast<off_t>(size)), 0); }
  const std::string& path() const { return path_; }

 private:
  UniqueFd fd_;
  std::string path_;
};

TEST(ElfFileTest, ReadsHeadersBehind4GigabytesAndRefusesHugeTables) {
  constexpr uint64_t kFar = (uint64_t{4} << 30) + 4096;
  ElfBuilder builder;
  builder.AddText(0x1000, 0x1000);
  const uint32_t symtab = builder.AddSymbols(SHT_SYMTAB, {{.name = "foo", .value = 0x1000, .size = 4}});
  builder.AddSymbols(SHT_DYNSYM, {{.name = "bar", .value = 0x1100, .size = 4}});
  std::string headers;
  builder.patch_sections = [&](std::vector<Elf64_Shdr>& s) {
    s[symtab].sh_size = uint64_t{4} << 30;  // all of it is in the file
    headers = std::string(AsText(std::as_bytes(std::span(s))));
  };
  builder.patch_header = [](Elf64_Ehdr& h) { h.e_shoff = kFar; };
  SparseFile file(builder.Build());
  file.WriteAt(kFar, headers);

  StatusOr<File> opened = File::Open(file.path());
  ASSERT_TRUE(opened.ok()) << opened.status();
  const StatusOr<ElfFile> elf = ElfFile::Open(*std::move(opened));
  ASSERT_TRUE(elf.ok()) << elf.status();
  EXPECT_GT(elf->size(), kFar);
  const StatusOr<SymbolTable> table = SymbolTable::Read(*elf);  // .dynsym still serves
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_EQ(table->LookupRaw(ElfAddress(0x1100)), "bar");
  EXPECT_EQ(table->LookupRaw(ElfAddress(0x1000)), "");
}

TEST(ElfFileTest, ReportsAFileThatShrankWhileOpen) {
  SparseFile file(SmallLibrary().Build());
  StatusOr<File> opened = File::Open(file.path());
  ASSERT_TRUE(opened.ok());
  const StatusOr<ElfFile> elf = ElfFile::Open(*std::move(opened));
  ASSERT_TRUE(elf.ok());
  file.Truncate(100);
  const StatusOr<SymbolTable> table = SymbolTable::Read(*elf);
  EXPECT_EQ(MissFromStatus(table.status()), Miss::kDamaged) << table.status();
}

StatusOr<ElfFile> OpenRelocatable(const ElfBuilder& builder) {
  const std::string image = builder.Build();
  const auto bytes = AsBytes(image);
  return ElfFile::OpenRelocatable(MakeMemorySource(std::vector<std::byte>(bytes.begin(), bytes.end())));
}

ElfBuilder ObjectFile() {
  ElfBuilder builder;
  builder.patch_header = [](Elf64_Ehdr& header) { header.e_type = ET_REL; };
  builder.Add({.name = ".data", .flags = SHF_ALLOC | SHF_WRITE, .bytes = "12345"});
  builder.Add({.name = ".text", .flags = SHF_ALLOC | SHF_EXECINSTR, .bytes = std::string(0x13, 'x')});
  builder.Add({.name = ".debug_info", .bytes = "debug"});
  builder.Add({.name = ".init.text", .flags = SHF_ALLOC | SHF_EXECINSTR, .bytes = "init"});
  return builder;
}

TEST(ElfFileTest, LaysOutTheSectionsOfARelocatableFileExecutableOnesFirst) {
  EXPECT_EQ(MissFromStatus(ObjectFile().Open().status()), Miss::kWrongClass);
  const StatusOr<ElfFile> elf = OpenRelocatable(ObjectFile());
  ASSERT_TRUE(elf.ok()) << elf.status();
  EXPECT_TRUE(elf->relocatable());
  EXPECT_EQ(elf->FindSection(".text")->address, ElfAddress(0));
  EXPECT_EQ(elf->FindSection(".init.text")->address, ElfAddress(0x18));
  EXPECT_EQ(elf->FindSection(".data")->address, ElfAddress(0x20));
  EXPECT_EQ(elf->FindSection(".debug_info")->address, ElfAddress(0));
  EXPECT_TRUE(elf->segments().empty());
  EXPECT_FALSE(OpenRelocatable(SmallLibrary())->relocatable());
}

TEST(ElfFileTest, RefusesRelocatableFilesThatTakeAllAddresses) {
  ElfBuilder alignment = ObjectFile(), size = ObjectFile();
  alignment.patch_sections = [](std::vector<Elf64_Shdr>& s) { s[1].sh_addralign = UINT64_MAX; };
  size.patch_sections = [](std::vector<Elf64_Shdr>& s) { s[1].sh_size = UINT64_MAX - 8; };
  EXPECT_EQ(MissFromStatus(OpenRelocatable(alignment).status()), Miss::kDamaged);
  EXPECT_EQ(MissFromStatus(OpenRelocatable(size).status()), Miss::kDamaged);
}

TEST(ElfFileTest, FindsTheDynamicSectionAndTranslatesAddresses) {
  ElfBuilder builder = SmallLibrary();
  builder.AddSegment({.p_type = PT_DYNAMIC,
                      .p_flags = PF_R,
                      .p_offset = 0x1500,
                      .p_vaddr = 0x402500,
                      .p_paddr = 0x402500,
                      .p_filesz = 0x80,
                      .p_memsz = 0x80,
                      .p_align = 8});
  const StatusOr<ElfFile> elf = builder.Open();
  ASSERT_TRUE(elf->dynamic());
  EXPECT_EQ(elf->dynamic()->address, ElfAddress(0x402500));
  EXPECT_EQ(elf->dynamic()->size, 0x80u);
  EXPECT_EQ(elf->ToFileOffset(ElfAddress(0x401010)), FileOffset(0x1010));
  EXPECT_EQ(elf->ToFileOffset(ElfAddress(0x401500)), std::nullopt);
  EXPECT_FALSE(SmallLibrary().Open()->dynamic());
}

}  // namespace
}  // namespace kiln::symbolizer
