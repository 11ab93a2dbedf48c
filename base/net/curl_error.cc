// SPDX-License-Identifier: Apache-2.0
#include "base/net/curl_error.h"

#include <absl/strings/ascii.h>

#include "base/excerpt.h"

namespace kiln {
namespace {

constexpr size_t kMaxDetailBytes = 300;

bool Has(std::string_view text, std::string_view part) {
  return absl::AsciiStrToLower({text.data(), text.size()}).find(absl::AsciiStrToLower({part.data(), part.size()})) !=
         std::string::npos;
}

struct Verdict {
  absl::StatusCode code;
  std::string_view advice;  // "" = the detail says it all
};

constexpr std::string_view kCheckServer =
    "the server's certificate was not accepted: check tls.ca_file and tls.server_name_override";
constexpr std::string_view kCheckClient =
    "the server did not accept the client's certificate: check tls.cert_file and tls.key_file";

// OpenSSL's words for the alert of a peer that does not like our certificate, or misses one (RFC 8446 section 6.2).
bool IsAlertAboutCertificate(std::string_view detail) {
  if (!Has(detail, "alert")) return false;
  for (const std::string_view word :
       {"certificate", "unknown ca", "access denied", "decrypt error", "handshake failure"})
    if (Has(detail, word)) return true;
  return false;
}

Verdict JudgeHandshake(std::string_view detail) {
  // A handshake failure can be about ciphers just as well; the sentence of OpenSSL stands before the advice.
  if (IsAlertAboutCertificate(detail)) return {absl::StatusCode::kUnauthenticated, kCheckClient};
  if (Has(detail, "protocol version") || Has(detail, "unsupported protocol"))
    return {absl::StatusCode::kUnavailable,
            "no TLS version that both sides speak: check tls.min_version and tls.max_version"};
  if (Has(detail, "wrong version number") || Has(detail, "packet length too long"))
    return {absl::StatusCode::kUnavailable,
            "the server does not speak TLS on this port: check the endpoint's scheme and tls.insecure"};
  return {absl::StatusCode::kUnavailable, ""};
}

Verdict Judge(CURLcode code, const FailedTransfer& failed) {
  switch (code) {
    case CURLE_OPERATION_TIMEDOUT: return {absl::StatusCode::kDeadlineExceeded, ""};
    case CURLE_ABORTED_BY_CALLBACK: return {absl::StatusCode::kCancelled, ""};
    case CURLE_URL_MALFORMAT: return {absl::StatusCode::kInvalidArgument, "check the endpoint"};
    case CURLE_SSL_CIPHER: return {absl::StatusCode::kInvalidArgument, "check tls.cipher_suites"};
    case CURLE_SSL_CERTPROBLEM: return {absl::StatusCode::kInvalidArgument, "check tls.cert_file and tls.key_file"};
    case CURLE_SSL_CACERT_BADFILE: return {absl::StatusCode::kInvalidArgument, "check tls.ca_file"};
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS: return {absl::StatusCode::kUnauthenticated, kCheckServer};
    case CURLE_SSL_CONNECT_ERROR: return JudgeHandshake(failed.detail);
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_PROXY: return {absl::StatusCode::kUnavailable, "check proxy_url or HTTPS_PROXY and HTTP_PROXY"};
    default: break;
  }
  if (failed.target.url.tls && IsAlertAboutCertificate(failed.detail))
    return {absl::StatusCode::kUnauthenticated, kCheckClient};
  if (!failed.target.proxy.empty() && Has(failed.detail, "407"))
    return {absl::StatusCode::kUnavailable,
            "the proxy wants other credentials: check user and password in the proxy's URL"};
  return {absl::StatusCode::kUnavailable, ""};
}

}  // namespace

Status StatusFromCurl(CURLcode code, const FailedTransfer& failed) {
  if (failed.cancelled) return TransferError(absl::StatusCode::kCancelled, failed.target, "cancelled");
  const Verdict verdict = Judge(code, failed);
  std::string what = failed.detail.empty() ? curl_easy_strerror(code) : Excerpt(failed.detail, kMaxDetailBytes);
  if (!verdict.advice.empty()) what += "; " + std::string(verdict.advice);
  return TransferError(verdict.code, failed.target, what);
}

Status TransferError(absl::StatusCode code, const CurlTarget& target, std::string_view what) {
  return Error(code, "{} to {}{} failed: {}", target.request.method, target.url.HostAndPort(),
               target.proxy.empty() ? "" : " through a proxy", what);
}

Status AnswerTooLarge(const CurlTarget& target) {
  return TransferError(
      absl::StatusCode::kResourceExhausted, target,
      fmt::format("the answer has more than {} bytes, or {} of headers", kMaxAnswerBytes, kMaxAnswerHeaderBytes));
}

}  // namespace kiln
