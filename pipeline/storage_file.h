// SPDX-License-Identifier: Apache-2.0
// Where a queue's file lies.
#pragma once

#include <string>
#include <string_view>

#include "base/status.h"
#include "pipeline/batch.h"
#include "pipeline/settings.h"

namespace kiln::pipeline {

// "exporter_otlp%2Feu_profiles.db" for ("otlp/eu", kProfiles): different ids give different names, and no id leads out
// of the directory. Long ids are cut and get a hash.
std::string StorageFileName(std::string_view exporter_id, Signal signal);

// The path of that file in settings.directory, which is made (mode 0700, with its parents) if it does not exist and
// create_directory allows it; symbolic links on the way are followed. The file is not touched. Errors name the
// directory and what to do.
StatusOr<std::string> PrepareStorageFile(const FileStorageSettings& settings, std::string_view exporter_id,
                                         Signal signal);

// Makes sure that `path` is a regular file of mode 0600, empty if it did not exist. An existing file is never opened:
// closing it again would free the locks that this process holds on it.
Status EnsurePrivateFile(const std::string& path);

// Moves `path`, which is damaged, with its companions to a new name beside it, which it returns. Only the newest one is
// kept: a disk that damages files again and again must not fill up with them.
StatusOr<std::string> SetAsideFile(const std::string& path);

}  // namespace kiln::pipeline
