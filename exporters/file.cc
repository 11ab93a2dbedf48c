// SPDX-License-Identifier: Apache-2.0
#include "exporters/file.h"

#include <zstd.h>

#include <utility>

#include "otlp/json.h"
#include "otlp/profiles.h"
#include "pprof/pprof.h"

namespace kiln::exporters {
namespace {

using pipeline::ExportResult;
using Outcome = pipeline::ExportResult::Outcome;

// A line longer than this helps nobody; batches are some MiB.
constexpr size_t kMaxRecord = size_t{1} << 30;

const otlp::schema::Message& RequestOf(pipeline::Signal signal) {
  switch (signal) {
    case pipeline::Signal::kTraces: return otlp::schema::kExportTraceServiceRequest;
    case pipeline::Signal::kMetrics: return otlp::schema::kExportMetricsServiceRequest;
    case pipeline::Signal::kLogs: return otlp::schema::kExportLogsServiceRequest;
    case pipeline::Signal::kProfiles: break;
  }
  return otlp::schema::kExportProfilesServiceRequest;
}

StatusOr<std::string> Zstd(std::string_view content) {
  std::string out(ZSTD_compressBound(content.size()), '\0');
  const size_t size = ZSTD_compress(out.data(), out.size(), content.data(), content.size(), ZSTD_CLEVEL_DEFAULT);
  if (ZSTD_isError(size) != 0) {
    return Error(absl::StatusCode::kInternal, "zstd cannot compress {} bytes: {}", content.size(),
                 ZSTD_getErrorName(size));
  }
  out.resize(size);
  return out;
}

ExportResult FromStatus(const Status& status) {
  if (status.ok()) return {};
  ExportResult result{.outcome = Outcome::kPermanent, .message = std::string(Message(status))};
  switch (status.code()) {
    case absl::StatusCode::kResourceExhausted:  // ENOSPC, EDQUOT, EMFILE, ENOMEM
    case absl::StatusCode::kUnavailable:        // EAGAIN; a FIFO without a reader
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kCancelled:
    case absl::StatusCode::kNotFound:  // the folder, which may be a mount
    case absl::StatusCode::kUnknown:
    case absl::StatusCode::kInternal: result.outcome = Outcome::kRetryable; break;  // EIO
    default: break;
  }
  return result;
}

}  // namespace

StatusOr<std::unique_ptr<FileExporter>> FileExporter::Open(const FileSettings& settings,
                                                           std::function<int64_t()> unix_nano) {
  std::unique_ptr<FileExporter> exporter(new FileExporter(settings, std::move(unix_nano)));
  const FileSettings::Rotation& rotation = settings.rotation;
  if (settings.format == FileSettings::Format::kPprof) {
    KILN_ASSIGN_OR_RETURN(exporter->folder_, PprofFolder::Open(settings.path, rotation));
  } else if (StreamOutput::IsStream(settings.path)) {
    KILN_ASSIGN_OR_RETURN(exporter->stream_, StreamOutput::Open(settings.path));
  } else {
    RotatingFileOptions options{.path = settings.path, .append = settings.append};
    options.text_lines = !exporter->Framed();
    options.rotation = {.enabled = rotation.enabled,
                        .max_bytes = rotation.max_megabytes << 20,
                        .max_days = rotation.max_days,
                        .max_backups = rotation.max_backups,
                        .localtime = rotation.localtime};
    KILN_ASSIGN_OR_RETURN(exporter->file_, RotatingFile::Open(std::move(options), exporter->unix_nano_));
  }
  return exporter;
}

bool FileExporter::Framed() const {
  return settings_.format == FileSettings::Format::kProto || settings_.compression == Compression::kZstd;
}

StatusOr<std::string> FileExporter::Record(const pipeline::Batch& batch) const {
  std::string content;
  if (settings_.format == FileSettings::Format::kJson) {
    KILN_RETURN_IF_ERROR(otlp::AppendJson(RequestOf(batch.signal), batch.bytes, kMaxRecord, content));
  } else {
    content = batch.bytes;
  }
  if (!Framed()) return content + '\n';
  if (settings_.compression == Compression::kZstd) {
    KILN_ASSIGN_OR_RETURN(content, Zstd(content));
  }
  if (content.size() > UINT32_MAX) {
    return Error(absl::StatusCode::kInvalidArgument, "a batch of {} bytes does not fit the format", content.size());
  }
  std::string record;
  record.reserve(4 + content.size());
  for (int shift = 24; shift >= 0; shift -= 8) record += static_cast<char>(content.size() >> shift);
  return record + content;
}

ExportResult FileExporter::Export(const pipeline::Batch& batch, absl::Duration timeout) {
  if (folder_) return ExportPprof(batch);
  StatusOr<std::string> record = Record(batch);
  if (!record.ok()) {
    return {.outcome = Outcome::kPermanent,
            .message = fmt::format("cannot write a batch to {}: {}", settings_.path, Message(record.status()))};
  }
  const std::lock_guard lock(mutex_);
  return FromStatus(stream_ ? WriteToStream(*std::move(record), timeout) : file_->Append(*record));
}

Status FileExporter::WriteToStream(std::string record, absl::Duration timeout) {
  if (stream_cut_) {
    if (Framed()) {
      return Error(absl::StatusCode::kDataLoss,
                   "{} ends within a record, which can't be taken back: what follows could not be read",
                   settings_.path);
    }
    record.insert(0, 1, '\n');
  }
  bool cut = false;
  Status status = stream_->Write(record, timeout, cut);
  stream_cut_ = status.ok() ? false : stream_cut_ || cut;
  return status;
}

ExportResult FileExporter::ExportPprof(const pipeline::Batch& batch) {
  if (batch.signal != pipeline::Signal::kProfiles) {
    return {.outcome = Outcome::kPermanent,
            .message = fmt::format("the format pprof of the exporter file takes profiles only, not {}",
                                   SignalName(batch.signal))};
  }
  const auto profile = otlp::DecodeProfilesData(batch.bytes);
  if (!profile.ok()) {
    return {.outcome = Outcome::kPermanent,
            .message = fmt::format("cannot write a batch into {}: {}", settings_.path, Message(profile.status()))};
  }
  const std::string content = pprof::EncodePprof(*profile);
  const int64_t now = unix_nano_();
  int64_t time = profile->time_unix_nano;
  if (time == 0) time = batch.created_unix_nano != 0 ? batch.created_unix_nano : now;
  const std::lock_guard lock(mutex_);
  return FromStatus(folder_->Write(content, time, now));
}

void FileExporter::Cancel() {
  if (stream_) stream_->Cancel();
}

}  // namespace kiln::exporters
