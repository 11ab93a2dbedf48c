// SPDX-License-Identifier: Apache-2.0
// Profiles in files. The suffix of the name chooses the format, for reading and for writing.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/status.h"
#include "profile/profile.h"

namespace kiln::agent {

struct FileFormat {
  std::string_view suffix;       // with its dot
  std::string_view description;  // for help and man page
  std::string (*encode)(const profile::Profile&);
  StatusOr<profile::Profile> (*decode)(std::string_view bytes);  // null: kiln only writes it
};

// All formats, the usual one first.
std::span<const FileFormat> FileFormats();

// The format that `path` names; null if its suffix is none of them. Case matters.
const FileFormat* FormatOfPath(std::string_view path);

// ".pb.gz, .html, …", for messages.
std::string KnownSuffixes();

// Reads and checks a profile (it passes profile::Validate and has at least one sample type). A name without a known
// suffix is taken as pprof if it holds gzip. kNotFound or kPermissionDenied if it cannot be opened, kDataLoss if
// damaged, kInvalidArgument if the suffix tells no format that kiln reads; at most 1 GiB. The message names the file.
StatusOr<profile::Profile> ReadProfileFile(const std::string& path);

// Writes atomically. kInvalidArgument if the suffix is unknown; otherwise see WriteFileAtomically.
Status WriteProfileFile(const profile::Profile& profile, const std::string& path);

}  // namespace kiln::agent
