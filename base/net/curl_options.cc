// SPDX-License-Identifier: Apache-2.0
#include "base/net/curl_options.h"

#include <absl/strings/numbers.h>

#include <algorithm>
#include <cstdlib>
#include <limits>

namespace kiln {
namespace {

// As Go's dialer, which the Collector uses.
constexpr long kConnectTimeoutMs = 30'000;
constexpr long kKeepAliveIdleSeconds = 30;
constexpr long kKeepAliveIntervalSeconds = 15;

struct UrlFree {
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
};

void SetTls(CurlOptions& options, const TlsMaterial& tls) {
  const long least = tls.min_tls13 ? CURL_SSLVERSION_TLSv1_3 : CURL_SSLVERSION_TLSv1_2;
  const long most = tls.max_tls12 ? CURL_SSLVERSION_MAX_TLSv1_2 : CURL_SSLVERSION_MAX_DEFAULT;
  options.Set(CURLOPT_SSLVERSION, least | most);
  options.Set(CURLOPT_PROXY_SSLVERSION, least | most);
  if (!tls.ciphers.tls12.empty()) options.Set(CURLOPT_SSL_CIPHER_LIST, tls.ciphers.tls12.c_str());
  if (!tls.ciphers.tls13.empty()) options.Set(CURLOPT_TLS13_CIPHERS, tls.ciphers.tls13.c_str());
  if (!tls.ca_pem.empty()) {
    // Only these: without the folder and the file of the system.
    options.Set(CURLOPT_CAPATH, static_cast<char*>(nullptr));
    options.Set(CURLOPT_PROXY_CAPATH, static_cast<char*>(nullptr));
    options.SetPem(CURLOPT_CAINFO_BLOB, tls.ca_pem);
    options.SetPem(CURLOPT_PROXY_CAINFO_BLOB, tls.ca_pem);
  }
  if (!tls.cert_pem.empty()) {
    options.SetPem(CURLOPT_SSLCERT_BLOB, tls.cert_pem);
    options.SetPem(CURLOPT_SSLKEY_BLOB, tls.key_pem);
  }
  if (tls.skip_verify) {
    for (const CURLoption option :
         {CURLOPT_SSL_VERIFYPEER, CURLOPT_SSL_VERIFYHOST, CURLOPT_PROXY_SSL_VERIFYPEER, CURLOPT_PROXY_SSL_VERIFYHOST})
      options.Set(option, 0L);
  }
}

void SetTimes(CurlOptions& options, absl::Duration timeout) {
  if (timeout < absl::Milliseconds(std::numeric_limits<long>::max() / 2)) {
    const long ms = std::max<long>(1, absl::ToInt64Milliseconds(absl::Ceil(timeout, absl::Milliseconds(1))));
    options.Set(CURLOPT_TIMEOUT_MS, ms);
    options.Set(CURLOPT_CONNECTTIMEOUT_MS, std::min(ms, kConnectTimeoutMs));
  } else {
    options.Set(CURLOPT_CONNECTTIMEOUT_MS, kConnectTimeoutMs);
  }
  options.Set(CURLOPT_TCP_KEEPALIVE, 1L);
  options.Set(CURLOPT_TCP_KEEPIDLE, kKeepAliveIdleSeconds);
  options.Set(CURLOPT_TCP_KEEPINTVL, kKeepAliveIntervalSeconds);
  // Only a new connection looks a name up, and a server that moved is the usual reason for one.
  options.Set(CURLOPT_DNS_CACHE_TIMEOUT, 0L);
  options.Set(CURLOPT_NOSIGNAL, 1L);
  // After a timeout or Cancel, don't wait for a name look-up that hangs: its thread ends by itself.
  options.Set(CURLOPT_QUICK_EXIT, 1L);
}

}  // namespace

std::string UrlParts::HostAndPort() const {
  return host.find(':') == std::string::npos ? fmt::format("{}:{}", host, port) : fmt::format("[{}]:{}", host, port);
}

StatusOr<UrlParts> ParseUrl(const std::string& url) {
  const std::unique_ptr<CURLU, UrlFree> parsed(curl_url());
  const auto part = [&](CURLUPart which, unsigned flags) {
    char* text = nullptr;
    if (curl_url_get(parsed.get(), which, &text, flags) != CURLUE_OK) return std::string();
    std::string copy(text);
    curl_free(text);
    return copy;
  };
  UrlParts parts;
  const bool valid = curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(), 0) == CURLUE_OK;
  const std::string scheme = valid ? part(CURLUPART_SCHEME, 0) : "";
  if ((scheme != "http" && scheme != "https") || url.find('\0') != std::string::npos)
    return absl::InvalidArgumentError("not a URL of the form http://host:port/path or https://host:port/path");
  parts.tls = scheme == "https";
  parts.host = part(CURLUPART_HOST, 0);
  if (parts.host.starts_with('[')) parts.host = parts.host.substr(1, parts.host.size() - 2);
  if (!absl::SimpleAtoi(part(CURLUPART_PORT, CURLU_DEFAULT_PORT), &parts.port)) parts.port = 0;
  parts.rest = part(CURLUPART_PATH, 0);
  if (const std::string query = part(CURLUPART_QUERY, 0); !query.empty()) parts.rest += "?" + query;
  return parts;
}

void Append(CurlList& list, const std::string& line) {
  curl_slist* longer = curl_slist_append(list.get(), line.c_str());
  if (longer == nullptr) std::abort();  // out of memory
  (void)list.release();
  list.reset(longer);
}

void CurlOptions::SetPem(CURLoption option, const std::string& pem) {
  curl_blob blob{.data = const_cast<char*>(pem.data()), .len = pem.size(), .flags = CURL_BLOB_NOCOPY};
  Set(option, &blob);
}

void SetTarget(CurlOptions& options, const CurlTarget& target, CurlTargetBuffers& buffers) {
  if (target.Renamed()) {
    // The name that the certificate must have is the one in the URL; where to connect is told beside it.
    Append(buffers.connect_to, "::" + target.url.HostAndPort());
    options.Set(CURLOPT_CONNECT_TO, buffers.connect_to.get());
    options.Set(
        CURLOPT_URL,
        fmt::format("https://{}:{}{}", target.tls.server_name_override, target.url.port, target.url.rest).c_str());
  } else {
    options.Set(CURLOPT_URL, target.request.url.c_str());
  }
  options.Set(CURLOPT_PROTOCOLS_STR, "http,https");
  options.Set(CURLOPT_FOLLOWLOCATION, 0L);
  options.Set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  // Set always: else libcurl would read the environment by rules of its own.
  options.Set(CURLOPT_PROXY, target.proxy.c_str());
  options.Set(CURLOPT_NOPROXY, "");
  options.Set(CURLOPT_PROXYAUTH, static_cast<long>(CURLAUTH_BASIC));
  options.Set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  options.Set(CURLOPT_HEADEROPT, static_cast<long>(CURLHEADER_SEPARATE));  // tokens are not for the proxy
  SetTls(options, target.tls);
  SetTimes(options, target.request.timeout);
  options.Set(CURLOPT_ERRORBUFFER, buffers.error.data());
}

}  // namespace kiln
