// SPDX-License-Identifier: Apache-2.0
#include "base/net/tls_material.h"

#include "base/clock.h"
#include "base/net/pem.h"

namespace kiln {
namespace {

constexpr size_t kMaxPemBytes = 4 << 20;

Status Invalid(std::string_view text) { return absl::InvalidArgumentError({text.data(), text.size()}); }

Status CheckVersion(std::string_view key, const std::string& value, bool may_be_empty) {
  if (value == "1.2" || value == "1.3" || (may_be_empty && value.empty())) return absl::OkStatus();
  return Error(absl::StatusCode::kInvalidArgument, "tls.{}: \"{}\" is not supported; allowed are \"1.2\" and \"1.3\"",
               key, value);
}

Status CheckCombination(const TlsClientSettings& tls) {
  if (!tls.ca_file.empty() && !tls.ca_pem.empty()) return Invalid("tls: give ca_file or ca_pem, not both");
  if (!tls.cert_file.empty() && !tls.cert_pem.empty()) return Invalid("tls: give cert_file or cert_pem, not both");
  if (!tls.key_file.empty() && !tls.key_pem.empty()) return Invalid("tls: give key_file or key_pem, not both");
  const bool has_cert = !tls.cert_file.empty() || !tls.cert_pem.empty();
  const bool has_key = !tls.key_file.empty() || !tls.key_pem.empty();
  if (has_cert != has_key)
    return Invalid("tls: a client certificate needs both cert_file (cert_pem) and key_file (key_pem)");
  KILN_RETURN_IF_ERROR(CheckVersion("min_version", tls.min_version, true));
  KILN_RETURN_IF_ERROR(CheckVersion("max_version", tls.max_version, true));
  if (tls.min_version == "1.3" && tls.max_version == "1.2") return Invalid("tls: min_version is above max_version");
  return absl::OkStatus();
}

// Text of a file, or given as such.
const std::string& Text(const std::optional<WatchedFile>& file, const std::string& pem) {
  return file.has_value() ? file->content() : pem;
}

std::string Name(const std::optional<WatchedFile>& file, std::string_view key) {
  return file.has_value() ? fmt::format("tls.{}_file {}", key, file->path()) : fmt::format("tls.{}_pem", key);
}

std::optional<WatchedFile> Watch(const std::string& path) {
  if (path.empty()) return std::nullopt;
  return WatchedFile(path, kMaxPemBytes);
}

}  // namespace

TlsSource::TlsSource(const TlsClientSettings& settings)
    : settings_(settings),
      fixed_{.min_tls13 = settings.min_version == "1.3",
             .max_tls12 = settings.max_version == "1.2",
             .skip_verify = settings.insecure_skip_verify,
             .server_name_override = settings.server_name_override},
      ca_(Watch(settings.ca_file)),
      cert_(Watch(settings.cert_file)),
      key_(Watch(settings.key_file)) {}

StatusOr<std::unique_ptr<TlsSource>> TlsSource::Make(const TlsClientSettings& settings) {
  KILN_RETURN_IF_ERROR(CheckCombination(settings));
  KILN_ASSIGN_OR_RETURN(CipherLists ciphers, OpenSslCiphers(settings.cipher_suites));
  std::unique_ptr<TlsSource> source(new TlsSource(settings));
  // Who names suites of TLS 1.3 only wants no others; OpenSSL would go on offering all of TLS 1.2.
  if (ciphers.tls12.empty() && !ciphers.tls13.empty()) {
    if (source->fixed_.max_tls12)
      return Invalid("tls.cipher_suites: none of them belongs to TLS 1.2, which is max_version");
    source->fixed_.min_tls13 = true;
  }
  source->fixed_.ciphers = std::move(ciphers);
  KILN_RETURN_IF_ERROR(source->Reload());
  source->last_look_ns_ = MonotonicNs();
  return source;
}

TlsSource::State TlsSource::Current() {
  const std::lock_guard lock(mutex_);
  if (ca_.has_value() || cert_.has_value() || key_.has_value()) {
    const uint64_t now_ns = MonotonicNs();
    if (absl::Nanoseconds(now_ns - last_look_ns_) >= settings_.reload_interval) {
      last_look_ns_ = now_ns;
      reload_ = Reload();
    }
  }
  return {.material = material_, .reload = reload_};
}

Status TlsSource::Reload() {
  for (auto [file, key] : {std::pair(&ca_, "ca"), std::pair(&cert_, "cert"), std::pair(&key_, "key")}) {
    if (!file->has_value()) continue;
    // Whether it changed is seen below, against what is in use: a pair that did not fit may do so now, or never again.
    if (const Status read = (*file)->Refresh().status(); !read.ok())
      return Annotate(read, fmt::format("tls.{}_file", key));
  }
  const std::string& ca = Text(ca_, settings_.ca_pem);
  const std::string& cert = Text(cert_, settings_.cert_pem);
  const std::string& key = Text(key_, settings_.key_pem);
  if (material_ != nullptr && material_->ca_pem == ca && material_->cert_pem == cert && material_->key_pem == key)
    return absl::OkStatus();
  if (ca_.has_value() || !ca.empty()) KILN_RETURN_IF_ERROR(CheckCertificates(ca, Name(ca_, "ca")));
  if (cert_.has_value() || !cert.empty())
    KILN_RETURN_IF_ERROR(CheckKeyPair(cert, Name(cert_, "cert"), key, Name(key_, "key")));
  auto next = std::make_shared<TlsMaterial>(fixed_);
  next->generation = material_ == nullptr ? 1 : material_->generation + 1;
  next->ca_pem = ca;
  next->cert_pem = cert;
  next->key_pem = key;
  material_ = std::move(next);
  return absl::OkStatus();
}

}  // namespace kiln
