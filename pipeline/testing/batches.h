// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>

#include "otlp/profiles.h"
#include "pipeline/batch.h"
#include "profile/synthetic.h"

namespace kiln::pipeline {

// A batch whose bytes are just this text: the way does not look into them.
inline BatchPtr TextBatch(std::string text, int64_t items = 1, int64_t weight = 1) {
  return std::make_shared<const Batch>(Batch{.signal = Signal::kLogs,
                                             .bytes = std::move(text),
                                             .items = items,
                                             .weight = weight,
                                             .created_unix_nano = 1'700'000'000'000'000'000});
}

// A batch of real profiles: `samples` OTLP samples at most, whose values add up to its weight.
inline BatchPtr ProfileBatch(size_t samples, uint32_t seed = 1) {
  const profile::Profile profile = profile::SyntheticProfile(samples, seed);
  Batch batch{.bytes = otlp::EncodeProfilesData(profile), .created_unix_nano = profile.time_unix_nano};
  batch.items = static_cast<int64_t>(profile.samples.size());
  for (const profile::Sample& sample : profile.samples) batch.weight += sample.values[0];
  return std::make_shared<const Batch>(std::move(batch));
}

// A directory that goes with the test, in memory where the system has such a place: what is tested does not depend on
// the disk, and thousands of fsync would take minutes.
class ScratchDirectory {
 public:
  ScratchDirectory() {
    const char* memory = "/dev/shm";
    const auto parent =
        ::access(memory, W_OK) == 0 ? std::filesystem::path(memory) : std::filesystem::temp_directory_path();
    std::string name = (parent / "kiln-pipeline-XXXXXX").string();
    path_ = ::mkdtemp(name.data()) == nullptr ? "" : name;
  }
  ~ScratchDirectory() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace kiln::pipeline
