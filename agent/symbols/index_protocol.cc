// SPDX-License-Identifier: Apache-2.0
#include "agent/symbols/index_protocol.h"

#include <fcntl.h>

#include <charconv>
#include <string_view>

namespace kiln::agent {

std::vector<std::string> EncodeIndexJob(const IndexJob& job) {
  std::vector<std::string> arguments;
  const auto add = [&](std::string_view key, std::string_view value) {
    if (!value.empty()) arguments.push_back(fmt::format("{}={}", key, value));
  };
  add("path", job.path);
  for (const std::string& root : job.roots) add("root", root);
  for (const std::string& folder : job.debug_folders) add("debug-folder", folder);
  add("scratch", job.scratch_folder);
  add("memory", fmt::to_string(job.memory_bytes));
  if (job.idle) add("idle", "1");
  return arguments;
}

StatusOr<IndexJob> DecodeIndexJob(const std::vector<std::string>& arguments) {
  IndexJob job;
  for (const std::string& argument : arguments) {
    const size_t equals = argument.find('=');
    const std::string key = argument.substr(0, equals);
    const std::string value = equals == std::string::npos ? "" : argument.substr(equals + 1);
    if (key == "path") {
      job.path = value;
    } else if (key == "root") {
      job.roots.push_back(value);
    } else if (key == "debug-folder") {
      job.debug_folders.push_back(value);
    } else if (key == "scratch") {
      job.scratch_folder = value;
    } else if (key == "idle") {
      job.idle = value == "1";
    } else if (key == "memory" &&
               std::from_chars(value.data(), value.data() + value.size(), job.memory_bytes).ec == std::errc()) {
      continue;
    } else {
      return Error(absl::StatusCode::kInvalidArgument, "the indexer is started by kiln alone: unknown '{}'", argument);
    }
  }
  int* const files[kIndexerFiles] = {&job.code, &job.debug, &job.supplementary, &job.package, &job.output};
  for (int i = 0; i < kIndexerFiles; ++i) {
    const int number = kFirstIndexerFd + i;
    *files[i] = ::fcntl(number, F_GETFD) >= 0 ? number : -1;
  }
  if (job.code < 0 || job.debug < 0 || job.output < 0) {
    return Error(absl::StatusCode::kInvalidArgument, "the indexer is started by kiln alone: files are missing");
  }
  return job;
}

}  // namespace kiln::agent
