// SPDX-License-Identifier: Apache-2.0
// Exporter "file", as in the Collector's contrib:
//   json                one line of OTLP/JSON per batch
//   proto, or zstd      each batch after four bytes, big endian, that tell its length; with compression zstd each batch
//   is
//                       a zstd frame of its own (of JSON without a line break, or of protobuf)
// and a folder of pprof files as kiln's own format. Each record goes to the system at once: there is nothing to flush.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>

#include "base/clock.h"
#include "exporters/pprof_folder.h"
#include "exporters/rotating_file.h"
#include "exporters/settings.h"
#include "exporters/stream_output.h"
#include "pipeline/exporter.h"

namespace kiln::exporters {

// Thread-safe. The format pprof is only for profiles.
class FileExporter : public pipeline::Exporter {
 public:
  // Opens the file or makes the folder, so that what can't work shows at the start. Paths of devices, FIFOs,
  // /dev/stdout and /dev/stderr are written to as streams, without rotation; a FIFO needs a reader. `unix_nano` is the
  // wall clock.
  static StatusOr<std::unique_ptr<FileExporter>> Open(const FileSettings& settings,
                                                      std::function<int64_t()> unix_nano = UnixNs);

  // kRetryable for what may pass while kiln runs: a full disk, a quota, an I/O error, a folder that is away, a reader
  // that is slow. kPermanent for data that can't be read, and for what is wrong with the path (no permission, no file).
  pipeline::ExportResult Export(const pipeline::Batch& batch, absl::Duration timeout) override;
  void Cancel() override;

 private:
  FileExporter(const FileSettings& settings, std::function<int64_t()> unix_nano)
      : settings_(settings), unix_nano_(std::move(unix_nano)) {}

  bool Framed() const;  // records stand after their length
  StatusOr<std::string> Record(const pipeline::Batch& batch) const;
  Status WriteToStream(std::string record, absl::Duration timeout);
  pipeline::ExportResult ExportPprof(const pipeline::Batch& batch);

  const FileSettings settings_;
  const std::function<int64_t()> unix_nano_;
  std::mutex mutex_;  // of what follows, but for the stream's Cancel
  std::optional<RotatingFile> file_;
  std::optional<StreamOutput> stream_;
  std::optional<PprofFolder> folder_;
  bool stream_cut_ = false;  // the stream ends within a record
};

}  // namespace kiln::exporters
