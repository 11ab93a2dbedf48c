// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/debug_link.h"

#include <fmt/format.h>

#include <iterator>

#include "base/byte_reader.h"
#include "symbolizer/build_id.h"

namespace kiln::symbolizer {
namespace {

// PATH_MAX, some more for the build id or the CRC.
constexpr uint64_t kMaxLinkBytes = 4096 + kMaxBuildIdBytes;
constexpr size_t kMaxNameLength = 255;

std::optional<std::vector<std::byte>> ReadLink(const ElfFile& elf, std::string_view name) {
  const ElfFile::Section* section = elf.FindSection(name);
  if (section == nullptr) return std::nullopt;
  StatusOr<std::vector<std::byte>> bytes = elf.ReadSection(*section, kMaxLinkBytes);
  if (!bytes.ok()) return std::nullopt;
  return *std::move(bytes);
}

}  // namespace

std::optional<DebugLink> ReadDebugLink(const ElfFile& elf) {
  const auto bytes = ReadLink(elf, ".gnu_debuglink");
  if (!bytes) return std::nullopt;
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

std::optional<AltLink> ReadAltLink(const ElfFile& elf) {
  const auto bytes = ReadLink(elf, ".gnu_debugaltlink");
  if (!bytes) return std::nullopt;
  ByteReader reader(*bytes);
  const std::optional<std::string_view> name = reader.CString();
  const auto build_id = reader.Bytes(reader.remaining());
  if (!name || name->empty() || !build_id || build_id->empty() || build_id->size() > kMaxBuildIdBytes) {
    return std::nullopt;
  }
  AltLink link{.name = std::string(*name), .build_id = {}};
  for (const std::byte byte : *build_id) {
    fmt::format_to(std::back_inserter(link.build_id), "{:02x}", byte);
  }
  return link;
}

}  // namespace kiln::symbolizer
