// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/build_id.h"

#include <elf.h>
#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <string_view>

#include "base/byte_reader.h"
#include "base/file.h"

namespace kiln::symbolizer {
namespace {

constexpr size_t kMaxNotesFileBytes = 64 * 1024;

}  // namespace

std::string BuildIdIn(std::span<const std::byte> notes, uint64_t alignment) {
  // gABI says 8 for 64-bit files, practice says 4, except for areas that are aligned to 8 (.note.gnu.property).
  const uint64_t padding = alignment == 8 ? 8 : 4;
  const auto padded = [padding](uint64_t size) { return (size + padding - 1) / padding * padding; };
  ByteReader reader(notes);
  Elf64_Nhdr note;
  while (reader.Read(note)) {
    const auto name = reader.Bytes(std::min<uint64_t>(padded(note.n_namesz), reader.remaining()));
    const auto description = reader.Bytes(note.n_descsz);
    if (!name || name->size() < note.n_namesz || !description) return "";
    if (note.n_type == NT_GNU_BUILD_ID && AsText(name->first(note.n_namesz)) == std::string_view("GNU", 4) &&
        !description->empty() && description->size() <= kMaxBuildIdBytes) {
      std::string hex;
      for (const std::byte byte : *description) fmt::format_to(std::back_inserter(hex), "{:02x}", byte);
      return hex;
    }
    (void)reader.Skip(std::min<uint64_t>(padded(note.n_descsz) - note.n_descsz, reader.remaining()));
  }
  return "";
}

std::string BuildIdOfNotesFile(const std::string& path) {
  const auto notes = ReadFile(path, kMaxNotesFileBytes);
  return notes.ok() ? BuildIdIn(AsBytes(*notes), 4) : "";
}

}  // namespace kiln::symbolizer
