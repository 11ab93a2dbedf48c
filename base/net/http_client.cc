// SPDX-License-Identifier: Apache-2.0
#include "base/net/http_client.h"

#include <absl/container/flat_hash_set.h>
#include <absl/strings/match.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <mutex>

#include "base/clock.h"
#include "base/net/auth_source.h"
#include "base/net/curl_handle.h"
#include "base/net/curl_transfer.h"
#include "base/net/http2_transfer.h"
#include "base/net/proxy.h"
#include "base/net/tls_material.h"

namespace kiln {
namespace {

// libcurl's own state, counted by libcurl: as many ends as beginnings.
class CurlLibrary {
 public:
  CurlLibrary() { ok_ = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK; }
  ~CurlLibrary() {
    if (ok_) curl_global_cleanup();
  }
  CurlLibrary(const CurlLibrary&) = delete;
  CurlLibrary& operator=(const CurlLibrary&) = delete;
  bool ok() const { return ok_; }

 private:
  bool ok_ = false;
};

// RFC 9110 sections 5.1 and 5.5. Values are not shown: they may be tokens.
Status CheckHeader(const std::string& name, std::string_view value) {
  constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  const auto is_token = [&](char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || kMarks.find(c) != kMarks.npos;
  };
  if (name.empty() || !std::ranges::all_of(name, is_token))
    return Error(absl::StatusCode::kInvalidArgument, "headers: \"{}\" can't be the name of a header", name);
  const auto is_bad = [](char c) { return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f; };
  if (std::ranges::any_of(value, is_bad))
    return Error(absl::StatusCode::kInvalidArgument, "headers: the value of {} holds control characters", name);
  return absl::OkStatus();
}

// Sets `name`, over what was there.
void SetHeader(HttpHeaders& headers, const std::string& name, const std::string& value) {
  std::erase_if(headers, [&](const auto& header) { return absl::EqualsIgnoreCase(header.first, name); });
  headers.emplace_back(name, value);
}

// The token was not accepted: by HTTP, or by gRPC, whose answer has HTTP status 200.
bool IsUnauthenticated(const HttpResponse& response) {
  return response.status == 401 || response.Header("grpc-status") == "16";
}

class CurlTransport : public HttpTransport {
 public:
  CurlTransport(std::string user_agent, HttpHeaders headers, ProxyChooser proxy, std::unique_ptr<TlsSource> tls,
                std::unique_ptr<AuthSource> auth)
      : user_agent_(std::move(user_agent)),
        headers_(std::move(headers)),
        proxy_(std::move(proxy)),
        tls_(std::move(tls)),
        auth_(std::move(auth)) {}

  bool library_ok() const { return library_.ok(); }

  StatusOr<HttpResponse> Send(const HttpRequest& request) override {
    const uint64_t start_ns = MonotonicNs();
    Authorization authorization;
    for (bool again = false;; again = true) {
      if (auth_ != nullptr) {
        KILN_ASSIGN_OR_RETURN(authorization, auth_->Get(request.timeout - absl::Nanoseconds(MonotonicNs() - start_ns)));
      }
      StatusOr<HttpResponse> response =
          SendOnce(request, authorization, request.timeout - absl::Nanoseconds(MonotonicNs() - start_ns));
      const bool refused = response.ok() && auth_ != nullptr && IsUnauthenticated(*response);
      if (!refused || !auth_->Refused(authorization) || again) return response;
    }
  }

  void Cancel() override {
    cancelled_ = true;
    if (auth_ != nullptr) auth_->Cancel();
    const std::lock_guard lock(mutex_);
    for (CurlHandle* handle : active_) handle->Wake();
  }

 private:
  StatusOr<HttpResponse> SendOnce(const HttpRequest& request, const Authorization& authorization,
                                  absl::Duration timeout) {
    KILN_ASSIGN_OR_RETURN(const UrlParts url, ParseUrl(request.url));
    if (timeout <= absl::ZeroDuration()) {
      return Error(absl::StatusCode::kDeadlineExceeded, "{} to {}: no time left", request.method, url.HostAndPort());
    }
    HttpHeaders headers = headers_;
    for (const auto& [name, value] : request.headers) {
      KILN_RETURN_IF_ERROR(CheckHeader(name, value));
      SetHeader(headers, name, value);
    }
    if (!authorization.value.empty()) SetHeader(headers, "authorization", authorization.value);
    // gRPC clients (grpc-go) take the variable for https even where they don't use TLS.
    const std::string proxy = proxy_.For(url.tls || request.http2_only, url.host, url.port);

    const TlsSource::State tls = tls_->Current();
    HttpRequest timed = request;
    timed.timeout = timeout;
    const TransferOptions options{.user_agent = user_agent_, .proxy = proxy, .headers = std::move(headers)};
    const StatusOr<HttpResponse> response = request.http2_only ? SendByHttp2(timed, url, options, tls.material)
                                                               : SendByHttp1(timed, url, options, tls.material);
    if (!response.ok() && url.tls && !tls.reload.ok())
      return Status(response.status().code(), fmt::format("{} (changed certificate files are not in use: {})",
                                                          Message(response.status()), Message(tls.reload)));
    return response;
  }

  using Material = std::shared_ptr<const TlsMaterial>;

  StatusOr<HttpResponse> SendByHttp1(const HttpRequest& request, const UrlParts& url, const TransferOptions& options,
                                     const Material& material) {
    std::unique_ptr<CurlHandle> handle = pool_.Acquire(*material, false);
    if (handle == nullptr) handle = std::make_unique<CurlHandle>(material, false);
    StatusOr<HttpResponse> response;
    {
      const Active active(*this, *handle);
      response = RunTransfer(*handle, request, url, options, cancelled_);
    }
    pool_.Release(std::move(handle));
    return response;
  }

  StatusOr<HttpResponse> SendByHttp2(const HttpRequest& request, const UrlParts& url, const TransferOptions& options,
                                     const Material& material) {
    const uint64_t start_ns = MonotonicNs();
    while (true) {
      // Idle connections may all be dead, as after a restart of the server; each is found out at once.
      std::unique_ptr<CurlHandle> handle = pool_.Acquire(*material, true);
      if (handle == nullptr) handle = std::make_unique<CurlHandle>(material, true);
      HttpRequest timed = request;
      timed.timeout -= absl::Nanoseconds(MonotonicNs() - start_ns);
      Http2Result result{.response = HttpResponse()};
      {
        const Active active(*this, *handle);
        result = RunHttp2Transfer(*handle, timed, url, options, cancelled_);
      }
      if (result.keep) pool_.Release(std::move(handle));
      if (!result.again) return std::move(result.response);
    }
  }

  // While it lives, Cancel wakes the handle.
  class Active {
   public:
    Active(CurlTransport& transport, CurlHandle& handle) : transport_(transport), handle_(handle) {
      const std::lock_guard lock(transport_.mutex_);
      transport_.active_.insert(&handle_);
    }
    ~Active() {
      const std::lock_guard lock(transport_.mutex_);
      transport_.active_.erase(&handle_);
    }
    Active(const Active&) = delete;
    Active& operator=(const Active&) = delete;

   private:
    CurlTransport& transport_;
    CurlHandle& handle_;
  };

  const CurlLibrary library_;
  const std::string user_agent_;
  const HttpHeaders headers_;
  const ProxyChooser proxy_;
  const std::unique_ptr<TlsSource> tls_;
  const std::unique_ptr<AuthSource> auth_;  // may be null
  CurlPool pool_;
  std::atomic<bool> cancelled_ = false;
  std::mutex mutex_;
  absl::flat_hash_set<CurlHandle*> active_;
};

std::string Environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

}  // namespace

std::optional<std::string_view> HttpResponse::Header(std::string_view name) const {
  for (const HttpHeaders* list : {&headers, &trailers})
    for (const auto& [key, value] : *list)
      if (key == name) return value;
  return std::nullopt;
}

StatusOr<std::unique_ptr<HttpTransport>> MakeHttpTransport(const HttpClientSettings& settings, std::string user_agent) {
  HttpHeaders headers;
  for (const auto& [name, value] : settings.headers) {
    KILN_RETURN_IF_ERROR(CheckHeader(name, value));
    SetHeader(headers, name, value);
  }
  KILN_ASSIGN_OR_RETURN(ProxyChooser proxy, ProxyChooser::Make(settings.proxy_url, Environment));
  KILN_ASSIGN_OR_RETURN(std::unique_ptr<TlsSource> tls, TlsSource::Make(settings.tls));
  KILN_ASSIGN_OR_RETURN(std::unique_ptr<AuthSource> auth,
                        MakeAuthSource(settings.auth, [&](const HttpClientSettings& of_tokens) {
                          return MakeHttpTransport(of_tokens, user_agent);
                        }));
  auto transport = std::make_unique<CurlTransport>(std::move(user_agent), std::move(headers), std::move(proxy),
                                                   std::move(tls), std::move(auth));
  if (!transport->library_ok()) return absl::InternalError("libcurl can't be initialized");
  return transport;
}

}  // namespace kiln
