// SPDX-License-Identifier: Apache-2.0
// Records to what is no regular file: standard output, a FIFO, a terminal, the journal's socket.
#pragma once

#include <absl/time/time.h>

#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/status.h"

namespace kiln::exporters {

// Thread-compatible, but for Cancel.
class StreamOutput {
 public:
  // True if `path` names something that this class is for: /dev/stdout, /dev/stderr, a FIFO, a device.
  static bool IsStream(const std::string& path);

  // /dev/stdout and /dev/stderr are the descriptors 1 and 2 themselves: where these are sockets (systemd), they can't
  // be opened by name. A FIFO needs a reader (kUnavailable).
  static StatusOr<StreamOutput> Open(const std::string& path);

  // Writes the record, waiting for a slow reader until `timeout` has passed (kDeadlineExceeded) or Cancel is called
  // (kCancelled). What was written can't be taken back: `cut` says that a part of the record is out, and then a text
  // record should be preceded by a line break, and nothing can be done for a binary stream.
  Status Write(std::string_view record, absl::Duration timeout, bool& cut);

  // Writes under way, and all later ones, fail soon. Thread-safe.
  void Cancel();

 private:
  StreamOutput(std::string path, UniqueFd fd, UniqueFd cancelled)
      : path_(std::move(path)), fd_(std::move(fd)), cancelled_(std::move(cancelled)) {}

  std::string path_;
  UniqueFd fd_;
  UniqueFd cancelled_;  // an eventfd: readable once cancelled
};

}  // namespace kiln::exporters
