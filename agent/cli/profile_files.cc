// SPDX-License-Identifier: Apache-2.0
#include "agent/cli/profile_files.h"

#include <array>

#include "base/file.h"
#include "base/gzip.h"
#include "otlp/profiles.h"
#include "pprof/folded.h"
#include "pprof/pprof.h"
#include "pprof/speedscope.h"
#include "profile/validate.h"
#include "viewer/html.h"

namespace kiln::agent {
namespace {

constexpr size_t kMaxFileBytes = size_t{1} << 30;

std::string EncodeOtlp(const profile::Profile& profile) { return otlp::EncodeProfilesData(profile); }

constexpr std::array<FileFormat, 6> kFormats = {{
    {".pb.gz", "pprof, as go tool pprof and most back ends read it", pprof::EncodePprof, pprof::DecodePprof},
    {".pprof", "the same", pprof::EncodePprof, pprof::DecodePprof},
    {".html", "a flame graph in one page that needs no network (written only)", viewer::RenderHtml, nullptr},
    {".folded", "one line per stack, as flamegraph.pl reads it", pprof::EncodeFolded, pprof::DecodeFolded},
    {".speedscope.json", "for speedscope", pprof::EncodeSpeedscope, pprof::DecodeSpeedscope},
    {".otlp", "OpenTelemetry ProfilesData (protobuf)", EncodeOtlp, otlp::DecodeProfilesData},
}};

StatusOr<profile::Profile> Decode(const FileFormat& format, std::string_view bytes) {
  KILN_ASSIGN_OR_RETURN(profile::Profile profile, format.decode(bytes));
  if (profile.sample_types.empty()) return absl::DataLossError("it holds no sample type");
  KILN_RETURN_IF_ERROR(profile::Validate(profile));
  return profile;
}

}  // namespace

std::span<const FileFormat> FileFormats() { return kFormats; }

const FileFormat* FormatOfPath(std::string_view path) {
  for (const FileFormat& format : kFormats) {
    if (path.size() > format.suffix.size() && path.ends_with(format.suffix)) return &format;
  }
  return nullptr;
}

std::string KnownSuffixes() {
  std::string text;
  for (const FileFormat& format : kFormats) text += fmt::format("{}{}", text.empty() ? "" : ", ", format.suffix);
  return text;
}

StatusOr<profile::Profile> ReadProfileFile(const std::string& path) {
  const FileFormat* format = FormatOfPath(path);
  if (format != nullptr && format->decode == nullptr) {
    return Error(absl::StatusCode::kInvalidArgument,
                 "{} can only be written, not read: give the .pb.gz that was recorded with it", path);
  }
  KILN_ASSIGN_OR_RETURN(const std::string bytes, ReadFile(path, kMaxFileBytes));
  if (format == nullptr && IsGzip(bytes)) format = &kFormats.front();
  if (format == nullptr) {
    return Error(absl::StatusCode::kInvalidArgument, "{} has none of the suffixes of a profile: {}", path,
                 KnownSuffixes());
  }
  StatusOr<profile::Profile> profile = Decode(*format, bytes);
  if (profile.ok()) return profile;
  return Error(absl::StatusCode::kDataLoss, "{} is damaged or no {} profile: {}", path, format->suffix,
               Message(profile.status()));
}

Status WriteProfileFile(const profile::Profile& profile, const std::string& path) {
  const FileFormat* format = FormatOfPath(path);
  if (format == nullptr) {
    return Error(absl::StatusCode::kInvalidArgument, "{} has none of the suffixes that kiln writes: {}", path,
                 KnownSuffixes());
  }
  return WriteFileAtomically(path, format->encode(profile));
}

}  // namespace kiln::agent
