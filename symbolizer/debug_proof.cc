// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/debug_proof.h"

#include <elf.h>
#include <zlib.h>

#include <algorithm>
#include <span>
#include <tuple>
#include <vector>

#include "symbolizer/debug_files.h"

namespace kiln::symbolizer {
namespace {

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

bool HasDebugSections(const ElfFile& elf) {
  return std::ranges::any_of(elf.sections(), [&](const ElfFile::Section& section) {
    const std::string_view name = elf.SectionName(section);
    return section.type != SHT_NOBITS && (name.starts_with(".debug_") || name.starts_with(".zdebug_"));
  });
}

// Sections with code, as far as they decide what addresses mean.
std::vector<std::tuple<std::string_view, ElfAddress, uint64_t>> CodeSections(const ElfFile& elf) {
  std::vector<std::tuple<std::string_view, ElfAddress, uint64_t>> sections;
  for (const ElfFile::Section& section : elf.sections()) {
    const bool is_code = (section.flags & SHF_ALLOC) != 0 && (section.flags & SHF_EXECINSTR) != 0;
    if (is_code && section.size != 0) sections.emplace_back(elf.SectionName(section), section.address, section.size);
  }
  return sections;
}

// kNone if `found`, opened from `bytes`, belongs to what it was looked for.
DebugMiss ExamineIdentity(const ElfFile& found, const StatusOr<File>& bytes, const DebugProof& proof) {
  if (proof.none_needed) return DebugMiss::kNone;
  if (!proof.build_id.empty() && !found.build_id().empty()) {
    return found.build_id() == proof.build_id ? DebugMiss::kNone : DebugMiss::kBuildIdDiffers;
  }
  if (!proof.crc) return DebugMiss::kBuildIdDiffers;
  if (!bytes.ok()) return DebugMiss::kUnreadable;
  if (bytes->size() > kMaxCrcBytes) return DebugMiss::kTooLarge;
  const StatusOr<uint32_t> crc = CrcOf(*bytes);
  if (!crc.ok()) return DebugMiss::kUnreadable;
  return *crc == *proof.crc ? DebugMiss::kNone : DebugMiss::kWrongCrc;
}

}  // namespace

DebugMiss ExamineDebugFile(const ElfFile& found, const StatusOr<File>& bytes, const DebugProof& proof) {
  if (proof.elf != nullptr && found.machine() != proof.elf->machine()) return DebugMiss::kWrongKind;
  const DebugMiss miss = ExamineIdentity(found, bytes, proof);
  if (miss != DebugMiss::kNone) return miss;
  if (proof.needs_debug_info && !HasDebugInfo(found)) return DebugMiss::kNoDebugInfo;
  if (proof.no_copy && !HasDebugSections(found)) return DebugMiss::kNotFound;
  if (!proof.same_code) return DebugMiss::kNone;
  return CodeSections(found) == CodeSections(*proof.elf) ? DebugMiss::kNone : DebugMiss::kOtherSections;
}

}  // namespace kiln::symbolizer
