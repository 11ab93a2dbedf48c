// SPDX-License-Identifier: Apache-2.0
// Files made to hurt whoever names their code: for each the right reason, and never more memory than 64 MiB beyond the
// file's own needs. Everything runs in a child process that gets no more.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <lzma.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <zlib.h>
#include <zstd.h>

#include <cstdlib>
#include <filesystem>

#include "symbolizer/debug_file.h"
#include "symbolizer/mini_debug_info.h"
#include "symbolizer/plt_symbols.h"
#include "symbolizer/symbol_table.h"
#include "symbolizer/testing/bounded_child.h"
#include "symbolizer/testing/elf_builder.h"

namespace kiln::symbolizer {
namespace {

using testing::BuildIdNote;
using testing::ElfBuilder;
using testing::InBoundedChild;

constexpr uint64_t kBound = 64 << 20;
constexpr uint64_t kSectionLimit = 16 << 20;
constexpr size_t kBombBytes = 96 << 20;
constexpr char kId[] = "\x12\xab\xcd\xef";
constexpr char kIdPath[] = "/usr/lib/debug/.build-id/12/abcdef.debug";

// What naming the code at 0x1100 of a file comes to: "foo", or the reason; behind it what else went wrong.
std::string NameAt(const std::string& path, const DebugPlaces& places) {
  StatusOr<File> file = File::Open(path);
  if (!file.ok()) return std::string(MissName(MissFromStatus(file.status())));
  const StatusOr<ElfFile> elf = ElfFile::Open(*std::move(file));
  if (!elf.ok()) return std::string(MissName(MissFromStatus(elf.status())));
  std::string notes;
  std::vector<const ElfFile*> files = {&*elf};
  const StatusOr<std::optional<ElfFile>> inner = ReadMiniDebugInfo(*elf);
  if (!inner.ok()) notes += fmt::format("; {}", MissName(MissFromStatus(inner.status())));
  if (inner.ok() && *inner) files.push_back(&**inner);
  const DebugSearch search = FindDebugFile(*elf, places);
  if (search.file) files.push_back(&search.file->elf);
  if (search.miss != DebugMiss::kNone && search.miss != DebugMiss::kNothingToGoBy) {
    notes += fmt::format("; {}", DebugMissName(search.miss));
  }
  for (const ElfFile::Section& section : elf->sections()) {
    if (!elf->IsCompressed(section)) continue;
    const auto content = elf->ReadSection(section, kSectionLimit);
    if (!content.ok()) notes += fmt::format("; section: {}", MissName(MissFromStatus(content.status())));
  }
  const std::vector<PltStub> stubs = ReadPltStubs(*elf);
  const uint64_t addresses[] = {0x1100};
  const StatusOr<SymbolTable> table = SymbolTable::ReadFor({.files = files, .stubs = stubs}, addresses);
  if (!table.ok()) return std::string(MissName(MissFromStatus(table.status()))) + notes;
  const Naming naming = table->Lookup(ElfAddress(0x1100));
  return (naming.lines.empty() ? std::string(MissName(naming.miss)) : naming.lines.front().name) + notes;
}

class HostileFilesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = (std::filesystem::temp_directory_path() / "kiln_hostile.XXXXXX").string();
    ASSERT_NE(::mkdtemp(folder_.data()), nullptr);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string Write(const std::string& path, const std::string& bytes) {
    std::filesystem::create_directories(std::filesystem::path(folder_ + path).parent_path());
    EXPECT_TRUE(WriteFileAtomically(folder_ + path, bytes).ok());
    return folder_ + path;
  }
  std::string Name(const std::string& image) { return NameOf(Write("/opt/program", image)); }
  std::string NameOf(const std::string& path) {
    return InBoundedChild(kBound, [&] { return NameAt(path, {.path = "/opt/program", .roots = {folder_}}); });
  }

  std::string folder_;
};

// .text at 0x1000.
ElfBuilder Program() {
  ElfBuilder builder;
  builder.AddText(0x1000, 0x1000);
  return builder;
}
ElfBuilder NamedProgram() {
  ElfBuilder builder = Program();
  builder.AddSymbols(SHT_SYMTAB, {{.name = "foo", .value = 0x1100, .size = 0x10}});
  return builder;
}

std::string Chdr(uint32_t type, uint64_t size) {
  const Elf64_Chdr header{.ch_type = type, .ch_reserved = 0, .ch_size = size, .ch_addralign = 1};
  return std::string(AsText(std::as_bytes(std::span(&header, 1))));
}
std::string Zlib(const std::string& text) {
  std::string packed(::compressBound(text.size()), '\0');
  uLongf size = packed.size();
  (void)::compress2(reinterpret_cast<Bytef*>(packed.data()), &size, reinterpret_cast<const Bytef*>(text.data()),
                    text.size(), 1);
  packed.resize(size);
  return packed;
}
std::string Zstd(const std::string& text) {
  std::string packed(::ZSTD_compressBound(text.size()), '\0');
  packed.resize(::ZSTD_compress(packed.data(), packed.size(), text.data(), text.size(), 1));
  return packed;
}
std::string Xz(const std::string& text) {
  std::string packed(::lzma_stream_buffer_bound(text.size()), '\0');
  size_t size = 0;
  (void)::lzma_easy_buffer_encode(0, LZMA_CHECK_NONE, nullptr, reinterpret_cast<const uint8_t*>(text.data()),
                                  text.size(), reinterpret_cast<uint8_t*>(packed.data()), &size, packed.size());
  packed.resize(size);
  return packed;
}

TEST_F(HostileFilesTest, TheBoundHolds) {
  // Sanitizers take memory of their own; then it is the others that show that nothing else goes wrong.
  const char* const beyond = testing::kMemoryIsBounded ? "no memory" : "xx";
  const auto take = [](size_t bytes) { return std::string(bytes, 'x').substr(0, 2); };
  EXPECT_EQ(InBoundedChild(kBound, [&] { return take(kBound + (1 << 20)); }), beyond);
  EXPECT_EQ(InBoundedChild(kBound, [&] { return take(kBound / 2); }), "xx");
}

TEST_F(HostileFilesTest, BombsInSections) {
  const std::string zeros(kBombBytes, '\0');
  const std::string zlib = Zlib(zeros), zstd = Zstd(zeros);
  const auto name = [&](const std::string& section) {
    ElfBuilder builder = NamedProgram();
    builder.Add({.name = ".debug_info", .flags = SHF_COMPRESSED, .bytes = section});
    return Name(builder.Build());
  };
  for (const auto& [type, packed] : {std::pair{1u, zlib}, std::pair{2u, zstd}}) {
    EXPECT_LT(packed.size(), 4u << 20);
    EXPECT_EQ(name(Chdr(type, kBombBytes) + packed), "foo; section: symbol table is too large");
    EXPECT_EQ(name(Chdr(type, UINT64_MAX) + packed), "foo; section: symbol table is too large");
    EXPECT_EQ(name(Chdr(type, kSectionLimit) + packed), "foo; section: file is damaged") << "lies about its size";
    EXPECT_EQ(name(Chdr(type, 1) + packed), "foo; section: file is damaged");
  }
}

TEST_F(HostileFilesTest, BombInMiniDebugInfo) {
  ElfBuilder builder = NamedProgram();
  builder.Add({.name = ".gnu_debugdata", .bytes = Xz(std::string(kBombBytes, '\0'))});
  EXPECT_EQ(Name(builder.Build()), "foo; symbol table is too large");
}

TEST_F(HostileFilesTest, StrippedAndSizelessSymbols) {
  EXPECT_EQ(Name(Program().Build()), "file is stripped");
  ElfBuilder sizeless = Program();
  sizeless.AddSymbols(SHT_SYMTAB, {{.name = "before", .value = 0x1000}, {.name = "behind", .value = 0x1101}});
  EXPECT_EQ(Name(sizeless.Build()), "before");
}

TEST_F(HostileFilesTest, OtherKindsOfFiles) {
  std::string narrow = NamedProgram().Build(), big_endian = narrow;
  narrow[EI_CLASS] = ELFCLASS32;
  big_endian[EI_DATA] = ELFDATA2MSB;
  EXPECT_EQ(Name(narrow), "unsupported kind of ELF file");
  EXPECT_EQ(Name(big_endian), "unsupported kind of ELF file");
  EXPECT_EQ(Name(""), "not an ELF file");
  EXPECT_EQ(Name(std::string(1 << 20, 'x')), "not an ELF file");
}

TEST_F(HostileFilesTest, TruncatedAnywhere) {
  const std::string image = NamedProgram().Build();
  for (size_t size = 0; size < image.size(); size += 5) {
    const std::string name = Name(image.substr(0, size));
    EXPECT_EQ(name, size < EI_NIDENT ? "not an ELF file" : "file is damaged") << size;
  }
}

TEST_F(HostileFilesTest, SparseFileOf4Gigabytes) {
  constexpr uint64_t kFile = uint64_t{4} << 30;
  ElfBuilder builder = Program();
  builder.AddSymbols(SHT_SYMTAB, {{.name = "foo", .value = 0x1100, .size = 0x10}});
  builder.patch_sections = [](std::vector<Elf64_Shdr>& s) {
    for (Elf64_Shdr& section : s) {
      if (section.sh_type == SHT_SYMTAB) section.sh_size = 128 << 20;  // with what is behind it: not one more symbol
      if (section.sh_type == SHT_STRTAB) section.sh_size = 128 << 20;
    }
  };
  const std::string path = Write("/opt/program", builder.Build());
  std::filesystem::resize_file(path, kFile);
  EXPECT_EQ(NameOf(path), "foo");
  builder.patch_sections = [](std::vector<Elf64_Shdr>& s) {
    for (Elf64_Shdr& section : s) {
      if (section.sh_type == SHT_SYMTAB) section.sh_size = kFile / 2;
    }
  };
  Write("/opt/program", builder.Build());
  std::filesystem::resize_file(path, kFile);
  EXPECT_EQ(NameOf(path), "symbol table is too large");
}

TEST_F(HostileFilesTest, UnreadableFilesAndLoops) {
  const std::string path = Write("/opt/program", NamedProgram().Build());
  ASSERT_EQ(::chmod(path.c_str(), 0), 0);
  std::filesystem::permissions(folder_, std::filesystem::perms::all);
  const std::string unreadable = InBoundedChild(kBound, [&] {
    if (::geteuid() == 0 && ::seteuid(65534) != 0) return std::string("cannot become another user");
    return NameAt(path, {});
  });
  EXPECT_EQ(unreadable, "file is unreadable");
  ASSERT_EQ(::symlink("loop", (folder_ + "/loop").c_str()), 0);
  EXPECT_EQ(NameOf(folder_ + "/loop"), "file is unreadable");
  EXPECT_EQ(NameOf(folder_ + "/gone"), "file is gone");
}

// Debug files.

std::string DebugLink(const std::string& name, uint32_t crc) {
  std::string bytes = name + '\0';
  bytes.resize((bytes.size() + 3) / 4 * 4);
  return bytes + std::string(AsText(std::as_bytes(std::span(&crc, 1))));
}

TEST_F(HostileFilesTest, DebugLinksThatLeadAstray) {
  ElfBuilder self = Program(), wrong = Program();
  self.Add({.name = ".gnu_debuglink", .bytes = DebugLink("program", 1)});
  wrong.Add({.name = ".gnu_debuglink", .bytes = DebugLink("p.debug", 1)});
  EXPECT_EQ(Name(self.Build()), "file is stripped; the debug link names the file itself");
  Write("/opt/p.debug", NamedProgram().Build());
  EXPECT_EQ(Name(wrong.Build()), "file is stripped; the debug file has another CRC");
  std::filesystem::remove(folder_ + "/opt/p.debug");
  ASSERT_EQ(::symlink("p.debug", (folder_ + "/opt/p.debug").c_str()), 0);
  EXPECT_EQ(Name(wrong.Build()), "file is stripped; the debug file is unreadable");
  std::filesystem::remove(folder_ + "/opt/p.debug");
  std::filesystem::resize_file(Write("/opt/p.debug", NamedProgram().Build()), uint64_t{4} << 30);
  EXPECT_EQ(Name(wrong.Build()), "file is stripped; the debug file is too large");
}

// Views of other processes. `Enter` runs in a child of the test; then the test looks through its /proc/PID/root.

class OtherProcess {
 public:
  explicit OtherProcess(const std::function<bool()>& enter) {
    int ready[2];
    if (::pipe(ready) != 0 || ::pipe(hold_) != 0) return;
    pid_ = ::fork();
    if (pid_ == 0) {
      ::close(hold_[1]);
      const char ok = enter() ? 'y' : 'n';
      (void)!::write(ready[1], &ok, 1);
      char end;
      (void)!::read(hold_[0], &end, 1);
      ::_exit(0);
    }
    ::close(ready[1]);
    ::close(hold_[0]);
    char ok = 'n';
    entered_ = ::read(ready[0], &ok, 1) == 1 && ok == 'y';
    ::close(ready[0]);
  }
  ~OtherProcess() { End(); }
  void End() {
    if (pid_ <= 0) return;
    ::close(hold_[1]);
    ::waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }
  bool entered() const { return entered_; }
  std::string root() const { return root_; }
  void NoteRoot() { root_ = fmt::format("/proc/{}/root", pid_); }

 private:
  int hold_[2] = {-1, -1};
  pid_t pid_ = 0;
  bool entered_ = false;
  std::string root_;
};

std::string NamedDebugFile() {
  ElfBuilder builder = NamedProgram();
  builder.AddNoteSegment(BuildIdNote(kId), 4);
  return builder.Build();
}
std::string StrippedProgram() {
  ElfBuilder builder = Program();
  builder.AddNoteSegment(BuildIdNote(kId), 4);
  return builder.Build();
}

TEST_F(HostileFilesTest, FilesOfAProcessInAChroot) {
  Write(std::string("/container") + kIdPath, NamedDebugFile());
  const std::string program = Write("/container/opt/program", StrippedProgram());
  const std::string container = folder_ + "/container";
  OtherProcess process([&] { return ::chroot(container.c_str()) == 0 && ::chdir("/") == 0; });
  if (!process.entered()) GTEST_SKIP() << "chroot(2) needs root";
  process.NoteRoot();
  const DebugPlaces places = {.path = "/opt/program", .roots = {process.root(), folder_ + "/host"}};
  const auto name = [&] { return InBoundedChild(kBound, [&] { return NameAt(program, places); }); };
  EXPECT_EQ(name(), "foo") << "debug files in the container";
  std::filesystem::remove_all(container + "/usr");
  EXPECT_EQ(name(), "file is stripped; no debug file");
  Write(std::string("/host") + kIdPath, NamedDebugFile());
  EXPECT_EQ(name(), "foo") << "debug files on the host";
  process.End();
  EXPECT_EQ(name(), "foo") << "the process has exited";
  std::filesystem::remove_all(folder_ + "/host");
  EXPECT_EQ(name(), "file is stripped; no debug file");
}

TEST_F(HostileFilesTest, FilesOfAProcessInAnotherMountNamespace) {
  const std::string inside = folder_ + "/mounted";
  std::filesystem::create_directories(inside);
  const std::string program = Write("/program", StrippedProgram());
  const std::string debug = NamedDebugFile();
  OtherProcess process([&] {
    if (::unshare(CLONE_NEWNS) != 0) return false;
    if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return false;
    if (::mount("none", inside.c_str(), "tmpfs", 0, nullptr) != 0) return false;
    const std::string folder = inside + "/.build-id/12";
    std::filesystem::create_directories(folder);
    return WriteFileAtomically(folder + "/abcdef.debug", debug).ok();
  });
  if (!process.entered()) GTEST_SKIP() << "mount namespaces need root";
  process.NoteRoot();
  const auto name = [&](const std::string& root) {
    return InBoundedChild(kBound, [&] { return NameAt(program, {.debug_folders = {root + inside}}); });
  };
  EXPECT_EQ(name(""), "file is stripped; no debug file");
  EXPECT_EQ(name(process.root()), "foo");
}

}  // namespace
}  // namespace kiln::symbolizer
