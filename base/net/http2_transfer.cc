// SPDX-License-Identifier: Apache-2.0
#include "base/net/http2_transfer.h"

#include <absl/strings/ascii.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <array>

#include "base/clock.h"
#include "base/net/curl_error.h"
#include "base/net/http2_session.h"

namespace kiln {
namespace {

constexpr int kMaxWaitMs = 1000;  // any event ends a wait
constexpr std::string_view kNotHttp2 = "the server does not speak HTTP/2 (gRPC) on this port; check the endpoint";

// How far a step of the exchange came.
enum class Step : uint8_t { kNothing, kProgress, kEnd };

// Which TLS handshakes offer h2: the target's, not that with a proxy, to which libcurl speaks HTTP/1.
struct Alpn {
  int of_proxy = 0;  // handshakes to come before that of the target
};

CURLcode OfferHttp2(CURL*, void* context, void* user) {
  Alpn& alpn = *static_cast<Alpn*>(user);
  if (alpn.of_proxy-- > 0) return CURLE_OK;
  constexpr std::array<unsigned char, 3> kH2 = {2, 'h', '2'};
  return SSL_CTX_set_alpn_protos(static_cast<SSL_CTX*>(context), kH2.data(), kH2.size()) == 0 ? CURLE_OK
                                                                                              : CURLE_SSL_CONNECT_ERROR;
}

bool HasAgreedOnHttp2(CURL* easy) {
  curl_tlssessioninfo* info = nullptr;
  if (curl_easy_getinfo(easy, CURLINFO_TLS_SSL_PTR, &info) != CURLE_OK || info->internals == nullptr) return false;
  const unsigned char* name = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(static_cast<const SSL*>(info->internals), &name, &size);
  return std::string_view(reinterpret_cast<const char*>(name), size) == "h2";
}

// Bytes as far as they can be sent now.
Step Send(CURL* easy, Http2Session& session, CURLcode& code) {
  Step step = Step::kNothing;
  for (std::string_view output = session.Output(); !output.empty(); output = session.Output()) {
    size_t sent = 0;
    code = curl_easy_send(easy, output.data(), output.size(), &sent);
    if (code == CURLE_AGAIN) return step;
    if (code != CURLE_OK) return Step::kEnd;
    session.Sent(sent);
    step = Step::kProgress;
    // Not more than the exchange needs: an answer that is there already ends it.
    if (session.state() != Http2Session::State::kOpen) return step;
  }
  return step;
}

// Bytes as far as they are there. The end of the connection is kEnd with CURLE_OK.
Step Receive(CURL* easy, Http2Session& session, CURLcode& code) {
  std::array<char, 16384> buffer;
  Step step = Step::kNothing;
  while (true) {
    size_t got = 0;
    code = curl_easy_recv(easy, buffer.data(), buffer.size(), &got);
    if (code == CURLE_AGAIN) return step;
    if (code != CURLE_OK || got == 0 || !session.Input({buffer.data(), got})) return Step::kEnd;
    step = Step::kProgress;
    if (session.state() == Http2Session::State::kTooLarge) return step;
  }
}

// Takes what came since the last exchange: pings, settings, farewells. False if the connection is of no use any more.
bool IsAlive(CurlHandle& handle) {
  CURLcode code = CURLE_OK;
  return Receive(handle.easy(), handle.session(), code) != Step::kEnd && handle.session().TakesRequests();
}

// Names are in lower case and only such as HTTP/2 knows (RFC 9113 section 8.2).
HttpHeaders AllHeaders(const CurlTarget& target, const TransferOptions& options) {
  // As grpc-go: the other name without a port.
  std::string authority = target.Renamed() ? target.tls.server_name_override : target.url.HostAndPort();
  HttpHeaders rest;
  for (const auto& [name, value] : options.headers) {
    const std::string lower = absl::AsciiStrToLower(name);
    if (lower == "host") authority = value;
    const bool of_connection = lower == "host" || lower == "connection" || lower == "keep-alive" ||
                               lower == "upgrade" || lower == "proxy-connection" || lower == "transfer-encoding";
    if (!of_connection) rest.emplace_back(lower, value);
  }
  HttpHeaders all = {{":method", target.request.method},
                     {":scheme", target.url.tls ? "https" : "http"},
                     {":authority", authority},
                     {":path", target.url.rest}};
  if (std::ranges::find(rest, "user-agent", &std::pair<std::string, std::string>::first) == rest.end())
    all.emplace_back("user-agent", options.user_agent);
  all.insert(all.end(), rest.begin(), rest.end());
  return all;
}

class Exchange {
 public:
  Exchange(CurlHandle& handle, const CurlTarget& target, const std::atomic<bool>& cancelled)
      : handle_(handle), target_(target), cancelled_(cancelled), start_ns_(MonotonicNs()) {}

  // A connection with TLS and all; the handle's session begins on it.
  Status Connect() {
    CurlOptions options(handle_.easy());
    SetTarget(options, target_, buffers_);
    options.Set(CURLOPT_CONNECT_ONLY, 1L);
    // A proxy that forwards would have to speak HTTP/2 itself.
    options.Set(CURLOPT_HTTPPROXYTUNNEL, 1L);
    Alpn alpn{.of_proxy = target_.proxy.starts_with("https:") ? 1 : 0};
    options.Set(CURLOPT_SSL_ENABLE_ALPN, 0L);
    options.Set(CURLOPT_SSL_CTX_FUNCTION, &OfferHttp2);
    options.Set(CURLOPT_SSL_CTX_DATA, &alpn);
    const CURLcode code = options.failed() != CURLE_OK ? options.failed() : Perform(handle_, cancelled_);
    if (code != CURLE_OK) {
      if (std::string_view(buffers_.error.data()).find("no application protocol") != std::string_view::npos)
        return TransferError(absl::StatusCode::kUnavailable, target_, kNotHttp2);
      return StatusFromCurl(code, {.target = target_, .detail = buffers_.error.data(), .cancelled = cancelled_});
    }
    handle_.StartSession();
    // libcurl tells of the connection's TLS only once it has been read from.
    CURLcode received = CURLE_OK;
    if (Receive(handle_.easy(), handle_.session(), received) == Step::kEnd) return Lost(received);
    if (target_.url.tls && !HasAgreedOnHttp2(handle_.easy()))
      return TransferError(absl::StatusCode::kUnavailable, target_, kNotHttp2);
    return absl::OkStatus();
  }

  Http2Result Run(const HttpHeaders& headers) {
    Http2Session& session = handle_.session();
    curl_easy_setopt(handle_.easy(), CURLOPT_ERRORBUFFER, buffers_.error.data());
    session.Begin(headers, target_.request.body);
    const Status failed = Communicate();
    curl_easy_setopt(handle_.easy(), CURLOPT_ERRORBUFFER, nullptr);
    if (session.state() == Http2Session::State::kAnswered)
      return {.response = session.TakeAnswer(), .keep = session.TakesRequests()};
    return {.response = failed, .again = failed.code() == absl::StatusCode::kUnavailable && session.Unseen()};
  }

 private:
  // Until the answer is whole (OK), or can't be any more.
  Status Communicate() {
    Http2Session& session = handle_.session();
    while (session.state() == Http2Session::State::kOpen) {
      CURLcode code = CURLE_OK;
      const Step sent = Send(handle_.easy(), session, code);
      // Even if no more can be sent, the answer may be there to be read.
      CURLcode received_code = CURLE_OK;
      const Step received = Receive(handle_.easy(), session, received_code);
      if (session.state() != Http2Session::State::kOpen) break;
      if (cancelled_) return TransferError(absl::StatusCode::kCancelled, target_, "cancelled");
      if (received == Step::kEnd) return Lost(received_code);
      if (session.IsOver()) return Lost(CURLE_OK);
      if (sent == Step::kEnd && received == Step::kNothing) return Lost(code);
      if (received == Step::kProgress) continue;
      const absl::Duration left = target_.request.timeout - absl::Nanoseconds(MonotonicNs() - start_ns_);
      if (left <= absl::ZeroDuration()) {
        return TransferError(absl::StatusCode::kDeadlineExceeded, target_,
                             fmt::format("no answer within {}", absl::FormatDuration(target_.request.timeout)));
      }
      Wait(left, !session.Output().empty());
    }
    switch (session.state()) {
      case Http2Session::State::kTooLarge: return AnswerTooLarge(target_);
      case Http2Session::State::kReset:
        return TransferError(absl::StatusCode::kUnavailable, target_,
                             fmt::format("the server gave the request up (HTTP/2 {})", session.reset_reason()));
      case Http2Session::State::kAnswered:
      case Http2Session::State::kOpen: break;
    }
    // Tells the server that the rest of the request won't come; whether that can be sent now does not matter.
    CURLcode ignored = CURLE_OK;
    Send(handle_.easy(), session, ignored);
    return absl::OkStatus();
  }

  Status Lost(CURLcode code) const {
    if (code != CURLE_OK) return StatusFromCurl(code, {.target = target_, .detail = buffers_.error.data()});
    if (!handle_.session().IsHttp2()) return TransferError(absl::StatusCode::kUnavailable, target_, kNotHttp2);
    return TransferError(absl::StatusCode::kUnavailable, target_, "the connection ended without an answer");
  }

  // For the network, or Cancel.
  void Wait(absl::Duration limit, bool to_send) {
    curl_socket_t socket = CURL_SOCKET_BAD;
    curl_easy_getinfo(handle_.easy(), CURLINFO_ACTIVESOCKET, &socket);
    curl_waitfd wait{.fd = socket, .events = CURL_WAIT_POLLIN, .revents = 0};
    if (to_send) wait.events |= CURL_WAIT_POLLOUT;
    const int64_t ms =
        absl::ToInt64Milliseconds(absl::Ceil(std::min(limit, absl::Milliseconds(kMaxWaitMs)), absl::Milliseconds(1)));
    curl_multi_poll(handle_.multi(), &wait, 1, static_cast<int>(ms), nullptr);
  }

  CurlHandle& handle_;
  const CurlTarget& target_;
  const std::atomic<bool>& cancelled_;
  const uint64_t start_ns_;
  CurlTargetBuffers buffers_;
};

}  // namespace

Http2Result RunHttp2Transfer(CurlHandle& handle, const HttpRequest& request, const UrlParts& url,
                             const TransferOptions& options, const std::atomic<bool>& cancelled) {
  const CurlTarget target{.request = request, .url = url, .tls = handle.material(), .proxy = options.proxy};
  Exchange exchange(handle, target, cancelled);
  const bool reused = handle.has_session();
  if (reused && !IsAlive(handle))
    return {.response = TransferError(absl::StatusCode::kUnavailable, target, "the server closed the connection"),
            .again = true};
  if (!reused) {
    if (const Status connected = exchange.Connect(); !connected.ok()) return {.response = connected};
  }
  Http2Result result = exchange.Run(AllHeaders(target, options));
  result.again &= reused;
  return result;
}

}  // namespace kiln
