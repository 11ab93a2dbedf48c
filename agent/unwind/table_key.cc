// SPDX-License-Identifier: Apache-2.0
#include "agent/unwind/table_key.h"

#include <xxhash.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <vector>

namespace kiln::agent {
namespace {

constexpr uint64_t kEndBytes = 64 * 1024;
constexpr std::string_view kFingerprintPrefix = "f-";
constexpr size_t kFingerprintDigits = 32;

bool IsHex(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool IsBuildId(std::string_view text) {
  return text.size() % 2 == 0 && text.size() / 2 >= kMinBuildIdBytes && text.size() / 2 <= kMaxBuildIdBytes &&
         IsHex(text);
}

}  // namespace

StatusOr<FileFingerprint> TakeFingerprint(const File& file) {
  const struct stat& info = file.stat();
  FileFingerprint result{
      .identity = file.identity(),
      .size = file.size(),
      .mtime_ns =
          static_cast<uint64_t>(info.st_mtim.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(info.st_mtim.tv_nsec),
  };
  std::vector<std::byte> ends(std::min(result.size, 2 * kEndBytes));
  const std::span<std::byte> head = std::span(ends).first(std::min<size_t>(ends.size(), kEndBytes));
  const std::span<std::byte> tail = std::span(ends).subspan(head.size());
  KILN_RETURN_IF_ERROR(file.ReadAt(FileOffset(0), head));
  KILN_RETURN_IF_ERROR(file.ReadAt(FileOffset(result.size - tail.size()), tail));
  result.ends_hash = XXH3_64bits(ends.data(), ends.size());
  return result;
}

TableKey MakeTableKey(std::string_view build_id, const FileFingerprint& file, uint16_t machine) {
  TableKey key{.file = file, .machine = machine};
  if (IsBuildId(build_id)) {
    key.build_id = build_id;
    key.file = {.size = file.size, .ends_hash = file.ends_hash};
  }
  return key;
}

std::string TableFileName(const TableKey& key) {
  if (!key.build_id.empty()) return fmt::format("{}{}", key.build_id, kTableFileSuffix);
  const std::array<uint64_t, 5> numbers = {key.file.identity.device, key.file.identity.inode, key.file.size,
                                           key.file.mtime_ns, key.file.ends_hash};
  const XXH128_hash_t hash = XXH3_128bits(numbers.data(), sizeof(numbers));
  return fmt::format("{}{:016x}{:016x}{}", kFingerprintPrefix, hash.high64, hash.low64, kTableFileSuffix);
}

bool IsTableFileName(std::string_view name) {
  if (!name.ends_with(kTableFileSuffix)) return false;
  name.remove_suffix(kTableFileSuffix.size());
  if (!name.starts_with(kFingerprintPrefix)) return IsBuildId(name);
  name.remove_prefix(kFingerprintPrefix.size());
  return name.size() == kFingerprintDigits && IsHex(name);
}

}  // namespace kiln::agent
