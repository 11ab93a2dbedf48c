// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/debug_file.h"

#include <zlib.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "base/byte_reader.h"
#include "base/root_folder.h"

namespace kiln::symbolizer {
namespace {

constexpr std::string_view kDebugFolder = "/usr/lib/debug";
constexpr uint64_t kMaxDebugLinkBytes = 4096;
constexpr size_t kMaxNameLength = 255;
// The first byte names the folder, so it takes two. Real ones have 8 to 20.
constexpr size_t kMinBuildIdDigits = 4;

std::string_view FolderOf(std::string_view path) { return path.substr(0, path.rfind('/')); }

StatusOr<uint32_t> CrcOf(const File& file) {
  constexpr size_t kStep = 1 << 18;
  std::vector<std::byte> buffer(kStep);
  uLong crc = ::crc32(0, nullptr, 0);
  for (uint64_t at = 0; at < file.size(); at += kStep) {
    const auto step = std::span(buffer).first(std::min<uint64_t>(kStep, file.size() - at));
    KILN_RETURN_IF_ERROR(file.ReadAt(FileOffset(at), step));
    crc = ::crc32(crc, reinterpret_cast<const Bytef*>(step.data()), static_cast<uInt>(step.size()));
  }
  return static_cast<uint32_t>(crc);
}

// The file at `path` in `root` if it is the debug file of `elf`; `crc` is that of .gnu_debuglink, nullopt if it was not
// what led here.
std::optional<ElfFile> OpenIfItBelongs(const std::string& root, const std::string& path, const ElfFile& elf,
                                       std::optional<uint32_t> crc) {
  StatusOr<File> file = OpenInRoot(root, path);
  if (!file.ok()) return std::nullopt;
  // A second look at the same file: ElfFile keeps the first one.
  StatusOr<File> bytes = File::Open(fmt::format("/proc/self/fd/{}", file->fd()));
  StatusOr<ElfFile> debug = ElfFile::Open(*std::move(file));
  if (!debug.ok() || debug->machine() != elf.machine()) return std::nullopt;
  if (!elf.build_id().empty() && !debug->build_id().empty()) {
    if (elf.build_id() != debug->build_id()) return std::nullopt;
    return *std::move(debug);
  }
  if (!crc || !bytes.ok() || bytes->size() > kMaxCrcBytes) return std::nullopt;
  const StatusOr<uint32_t> found = CrcOf(*bytes);
  if (!found.ok() || *found != *crc) return std::nullopt;
  return *std::move(debug);
}

struct Candidate {
  std::string path;
  std::optional<uint32_t> crc;
};

std::vector<Candidate> CandidatesFor(const ElfFile& elf, std::string_view path) {
  std::vector<Candidate> candidates;
  if (const std::string& id = elf.build_id(); id.size() >= kMinBuildIdDigits) {
    const std::string_view digits = id;
    candidates.push_back(
        {.path = fmt::format("{}/.build-id/{}/{}.debug", kDebugFolder, digits.substr(0, 2), digits.substr(2)),
         .crc = std::nullopt});
  }
  const std::optional<DebugLink> link = ReadDebugLink(elf);
  if (!link || !path.starts_with('/')) return candidates;
  const std::string_view folder = FolderOf(path);
  for (const std::string& name :
       {fmt::format("{}/{}", folder, link->name), fmt::format("{}/.debug/{}", folder, link->name),
        fmt::format("{}{}/{}", kDebugFolder, folder, link->name)}) {
    // A file that names itself has what it has.
    if (name != path) candidates.push_back({.path = name, .crc = link->crc});
  }
  return candidates;
}

}  // namespace

std::optional<DebugLink> ReadDebugLink(const ElfFile& elf) {
  const ElfFile::Section* section = elf.FindSection(".gnu_debuglink");
  if (section == nullptr) return std::nullopt;
  const StatusOr<std::vector<std::byte>> bytes = elf.ReadSection(*section, kMaxDebugLinkBytes);
  if (!bytes.ok()) return std::nullopt;
  ByteReader reader(*bytes);
  const std::optional<std::string_view> name = reader.CString();
  if (!name || name->empty() || name->size() > kMaxNameLength || *name == "." || *name == ".." ||
      name->find('/') != std::string_view::npos) {
    return std::nullopt;
  }
  // The CRC stands at the next multiple of 4.
  DebugLink link{.name = std::string(*name), .crc = 0};
  if (!reader.Skip((4 - reader.position() % 4) % 4) || !reader.Read(link.crc)) return std::nullopt;
  return link;
}

std::optional<DebugFile> FindDebugFile(const ElfFile& elf, std::string_view path, std::span<const std::string> roots) {
  const std::vector<Candidate> candidates = CandidatesFor(elf, path);
  for (const std::string& root : roots) {
    for (const Candidate& candidate : candidates) {
      if (auto debug = OpenIfItBelongs(root, candidate.path, elf, candidate.crc)) {
        return DebugFile{.elf = *std::move(debug), .path = candidate.path, .root = root};
      }
    }
  }
  return std::nullopt;
}

}  // namespace kiln::symbolizer
