// SPDX-License-Identifier: Apache-2.0
#include "base/net/curl_transfer.h"

#include <absl/strings/ascii.h>
#include <absl/strings/match.h>
#include <absl/strings/numbers.h>

#include <algorithm>
#include <array>
#include <limits>

#include "base/net/curl_error.h"

namespace kiln {
namespace {

// As Go's dialer, which the Collector uses.
constexpr long kConnectTimeoutMs = 30'000;
constexpr long kKeepAliveIdleSeconds = 30;
constexpr long kKeepAliveIntervalSeconds = 15;
// How long a wait for the network lasts at most; any event ends it.
constexpr int kWaitMs = 1000;

struct CurlFree {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
};
using HeaderList = std::unique_ptr<curl_slist, CurlFree>;

// What comes in, in libcurl's callbacks.
struct Answer {
  HttpResponse response;
  size_t header_bytes = 0;
  bool headers_complete = false;
  bool too_large = false;
};

size_t OnHeader(char* data, size_t, size_t size, void* user) {
  Answer& answer = *static_cast<Answer*>(user);
  absl::string_view line = absl::StripTrailingAsciiWhitespace(absl::string_view(data, size));
  answer.header_bytes += size;
  if (answer.header_bytes > kMaxAnswerHeaderBytes) {
    answer.too_large = true;
    return 0;
  }
  if (absl::StartsWith(line, "HTTP/")) {  // the first answer, or the one after "100 Continue" and its kin
    answer.response = {};
    answer.headers_complete = false;
    const size_t blank = line.find(' ');
    if (blank != line.npos && !absl::SimpleAtoi(line.substr(blank + 1, 3), &answer.response.status))
      answer.response.status = 0;
    return size;
  }
  if (line.empty()) {
    answer.headers_complete = answer.response.status >= 200;
    return size;
  }
  const size_t colon = line.find(':');
  if (colon == line.npos) return size;
  HttpHeaders& headers = answer.headers_complete ? answer.response.trailers : answer.response.headers;
  headers.emplace_back(absl::AsciiStrToLower(line.substr(0, colon)),
                       absl::StripAsciiWhitespace(line.substr(colon + 1)));
  return size;
}

size_t OnBody(char* data, size_t, size_t size, void* user) {
  Answer& answer = *static_cast<Answer*>(user);
  if (size > kMaxAnswerBytes - answer.response.body.size()) {
    answer.too_large = true;
    return 0;
  }
  answer.response.body.append(data, size);
  return size;
}

// Options have different types; each of libcurl's checks its own. What fails is a mistake of ours or of the build.
class Options {
 public:
  explicit Options(CURL* easy) : easy_(easy) {}
  template <typename T>
  void Set(CURLoption option, T value) {
    if (const CURLcode code = curl_easy_setopt(easy_, option, value); code != CURLE_OK && failed_ == CURLE_OK)
      failed_ = code;
  }
  // `pem` must outlive the transfer and the connection.
  void SetPem(CURLoption option, const std::string& pem) {
    curl_blob blob{.data = const_cast<char*>(pem.data()), .len = pem.size(), .flags = CURL_BLOB_NOCOPY};
    Set(option, &blob);
  }
  CURLcode failed() const { return failed_; }

 private:
  CURL* easy_;
  CURLcode failed_ = CURLE_OK;
};

bool Append(HeaderList& list, const std::string& line) {
  curl_slist* longer = curl_slist_append(list.get(), line.c_str());
  if (longer == nullptr) return false;
  (void)list.release();
  list.reset(longer);
  return true;
}

HeaderList ToList(const HttpHeaders& headers, const std::string& host) {
  HeaderList list;
  bool complete = true, has_host = false;
  for (const auto& [name, value] : headers) {
    has_host |= absl::EqualsIgnoreCase(name, "host");
    complete &= Append(list, value.empty() ? name + ";" : name + ": " + value);
  }
  if (!host.empty() && !has_host) complete &= Append(list, "Host: " + host);
  // What libcurl would add on its own. "Expect" would cost a round trip, or a second where the server knows it not.
  for (const char* name : {"Expect", "Accept", "Content-Type"}) {
    const bool given = std::ranges::any_of(headers, [&](const auto& header) { return absl::EqualsIgnoreCase(header.first, name); });
    if (!given) complete &= Append(list, std::string(name) + ":");
  }
  if (!complete) std::abort();  // out of memory
  return list;
}

void SetTls(Options& options, const TlsMaterial& tls) {
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
    for (const CURLoption option : {CURLOPT_SSL_VERIFYPEER, CURLOPT_SSL_VERIFYHOST, CURLOPT_PROXY_SSL_VERIFYPEER,
                                    CURLOPT_PROXY_SSL_VERIFYHOST})
      options.Set(option, 0L);
  }
}

void SetTarget(Options& options, const std::string& url, const std::string& proxy, bool http2) {
  options.Set(CURLOPT_URL, url.c_str()); if (getenv("KV")) options.Set(CURLOPT_VERBOSE, 1L);
  options.Set(CURLOPT_PROTOCOLS_STR, "http,https");
  options.Set(CURLOPT_FOLLOWLOCATION, 0L);
  // Set always: else libcurl would read the environment by rules of its own.
  options.Set(CURLOPT_PROXY, proxy.c_str());
  options.Set(CURLOPT_NOPROXY, "");
  options.Set(CURLOPT_PROXYAUTH, static_cast<long>(CURLAUTH_BASIC));
  options.Set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  options.Set(CURLOPT_HEADEROPT, static_cast<long>(CURLHEADER_SEPARATE));  // tokens are not for the proxy
  // Forwarding proxies speak HTTP/1.1.
  if (http2) options.Set(CURLOPT_HTTPPROXYTUNNEL, 1L);
  // HTTP/1.1 unless HTTP/2 is needed: one request at a time gains nothing by it, and waits for its windows.
  options.Set(CURLOPT_HTTP_VERSION, static_cast<long>(http2 ? CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE : CURL_HTTP_VERSION_1_1));
}

void SetTimes(Options& options, absl::Duration timeout) {
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

void SetRequest(Options& options, const HttpRequest& request) {
  if (request.method == "HEAD") {
    options.Set(CURLOPT_NOBODY, 1L);
  } else if (request.method == "POST" || !request.body.empty()) {
    options.Set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
    options.Set(CURLOPT_POSTFIELDS, request.body.empty() ? "" : request.body.data());  // not copied
  }
  if (request.method != "POST" && request.method != "GET" && request.method != "HEAD")
    options.Set(CURLOPT_CUSTOMREQUEST, request.method.c_str());
}

// Until the transfer is over. libcurl's verdict, or CURLE_ABORTED_BY_CALLBACK if cancelled.
CURLcode Perform(CurlHandle& handle, const std::atomic<bool>& cancelled) {
  if (curl_multi_add_handle(handle.multi(), handle.easy()) != CURLM_OK) return CURLE_FAILED_INIT;
  CURLcode result = CURLE_ABORTED_BY_CALLBACK;
  int running = 1;
  while (running > 0 && !cancelled) {
    CURLMcode code = curl_multi_perform(handle.multi(), &running);
    if (code == CURLM_OK && running > 0) code = curl_multi_poll(handle.multi(), nullptr, 0, kWaitMs, nullptr);
    if (code != CURLM_OK) {
      result = CURLE_FAILED_INIT;
      break;
    }
  }
  if (running == 0) {
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(handle.multi(), &left))
      if (message->msg == CURLMSG_DONE) result = message->data.result;
  }
  curl_multi_remove_handle(handle.multi(), handle.easy());
  return result;
}

}  // namespace

std::string UrlParts::HostAndPort() const {
  return host.find(':') == std::string::npos ? fmt::format("{}:{}", host, port) : fmt::format("[{}]:{}", host, port);
}

StatusOr<UrlParts> ParseUrl(const std::string& url) {
  const std::unique_ptr<CURLU, CurlFree> parsed(curl_url());
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

StatusOr<HttpResponse> RunTransfer(CurlHandle& handle, const HttpRequest& request, const UrlParts& url,
                                   const TransferOptions& transfer, const std::atomic<bool>& cancelled) {
  std::array<char, CURL_ERROR_SIZE> error_text{};
  Answer answer;
  // The name that the certificate must have is the one in the URL; where to connect is told beside it.
  const std::string& other_name = handle.material().server_name_override;
  const bool renamed = url.tls && !other_name.empty();
  HeaderList connect_to;
  if (renamed && !Append(connect_to, "::" + url.HostAndPort())) std::abort();
  const std::string target = renamed ? fmt::format("https://{}:{}{}", other_name, url.port, url.rest) : request.url;
  // grpc-go calls the server by the other name; an HTTP client by the endpoint's.
  const HeaderList headers = ToList(transfer.headers, renamed && !request.http2_only ? url.HostAndPort() : "");

  curl_easy_reset(handle.easy());
  Options options(handle.easy());
  SetTarget(options, target, transfer.proxy, request.http2_only);
  if (renamed) options.Set(CURLOPT_CONNECT_TO, connect_to.get());
  SetTls(options, handle.material());
  SetTimes(options, request.timeout);
  SetRequest(options, request);
  options.Set(CURLOPT_HTTPHEADER, headers.get());
  options.Set(CURLOPT_USERAGENT, transfer.user_agent.c_str());
  options.Set(CURLOPT_HEADERFUNCTION, &OnHeader);
  options.Set(CURLOPT_HEADERDATA, &answer);
  options.Set(CURLOPT_WRITEFUNCTION, &OnBody);
  options.Set(CURLOPT_WRITEDATA, &answer);
  options.Set(CURLOPT_ERRORBUFFER, error_text.data());

  const CURLcode result = options.failed() != CURLE_OK ? options.failed() : Perform(handle, cancelled);
  // The buffer is gone when this function returns.
  curl_easy_setopt(handle.easy(), CURLOPT_ERRORBUFFER, nullptr);
  const FailedTransfer failed{.target = fmt::format("{} to {}", request.method, url.HostAndPort()),
                              .detail = error_text.data(),
                              .through_proxy = !transfer.proxy.empty(),
                              .tls = url.tls};
  if (cancelled && result != CURLE_OK) return Error(absl::StatusCode::kCancelled, "{} was cancelled", failed.target);
  if (answer.too_large) {
    return Error(absl::StatusCode::kResourceExhausted, "{}: the answer is larger than {} bytes", failed.target,
                 answer.header_bytes > kMaxAnswerHeaderBytes ? kMaxAnswerHeaderBytes : kMaxAnswerBytes);
  }
  if (result != CURLE_OK) return StatusFromCurl(result, failed);
  long version = 0;
  curl_easy_getinfo(handle.easy(), CURLINFO_HTTP_VERSION, &version);
  if (request.http2_only && version != CURL_HTTP_VERSION_2_0) {
    return Error(absl::StatusCode::kUnavailable,
                 "{} failed: the server speaks HTTP/1 only, and gRPC needs HTTP/2; check the endpoint", failed.target);
  }
  return std::move(answer.response);
}

}  // namespace kiln
