// SPDX-License-Identifier: Apache-2.0
// What a compiled unwind table belongs to.
//
// A build id alone is not believed: linkers take any text for it, some builds give all their programs the same one, and
// a file under attack could bear that of libc. So the size and the two ends of the file have to agree as well; they are
// the same in every container that has the file. A forger who keeps them can still spoil the stacks of one file, but
// never the walk: tables are validated whenever they are read.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/file.h"
#include "base/status.h"

namespace kiln::agent {

// Of a build id that counts as one: --build-id=fast makes 8 bytes, SHA-1 makes 20. Shorter ones are made by hand.
inline constexpr size_t kMinBuildIdBytes = 8;
inline constexpr size_t kMaxBuildIdBytes = 64;

struct FileFingerprint {
  FileIdentity identity;
  uint64_t size = 0;       // bytes
  uint64_t mtime_ns = 0;   // since 1970
  uint64_t ends_hash = 0;  // XXH3 of the first and the last 64 KiB; a shorter file once, as a whole
  friend bool operator==(const FileFingerprint&, const FileFingerprint&) = default;
};
// Reads up to 128 KiB. Fails as File::ReadAt does.
StatusOr<FileFingerprint> TakeFingerprint(const File& file);

struct TableKey {
  std::string build_id;  // lower-case hex; "" if the file has none that counts
  FileFingerprint file;  // with a build id only size and ends_hash; the rest is 0
  uint16_t machine = 0;  // EM_*
  friend bool operator==(const TableKey&, const TableKey&) = default;
};
// `build_id` as ElfFile::build_id returns it. Whatever is no build id of a length between the limits counts as none.
TableKey MakeTableKey(std::string_view build_id, const FileFingerprint& file, uint16_t machine);

// The end of every name of a cached table; nothing else in a folder is touched.
inline constexpr std::string_view kTableFileSuffix = ".unwind";
// The name of the table's file in its folder: the build id, or "f-" and a hash of the fingerprint, and the suffix. Of
// [0-9a-z.-] alone.
std::string TableFileName(const TableKey& key);
// Whether TableFileName may have made `name`.
bool IsTableFileName(std::string_view name);

}  // namespace kiln::agent
