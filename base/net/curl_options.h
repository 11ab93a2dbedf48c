// SPDX-License-Identifier: Apache-2.0
// What all of our libcurl transfers have in common: where they go, by what way, and whom they trust.
#pragma once

#include <absl/time/time.h>
#include <curl/curl.h>

#include <array>
#include <memory>
#include <string>
#include <string_view>

#include "base/net/http_client.h"
#include "base/net/tls_material.h"
#include "base/status.h"

namespace kiln {

// A URL's parts that count outside of libcurl.
struct UrlParts {
  bool tls = false;
  std::string host;  // without brackets
  int port = 0;      // the scheme's own if the URL has none
  std::string rest;  // path and query, "/" at least
  std::string HostAndPort() const;
};
// kInvalidArgument if `url` is not one, or neither http nor https. The message does not show it: it may hold a
// password.
StatusOr<UrlParts> ParseUrl(const std::string& url);

struct CurlListFree {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using CurlList = std::unique_ptr<curl_slist, CurlListFree>;
void Append(CurlList& list, const std::string& line);

// Options have different types; each of libcurl's checks its own. What fails is a mistake of ours or of the build, or a
// value that libcurl does not take.
class CurlOptions {
 public:
  // Forgets all options that `easy` has.
  explicit CurlOptions(CURL* easy) : easy_(easy) { curl_easy_reset(easy); }
  template <typename T>
  void Set(CURLoption option, T value) {
    if (const CURLcode code = curl_easy_setopt(easy_, option, value); code != CURLE_OK && failed_ == CURLE_OK)
      failed_ = code;
  }
  // `pem` must outlive the connection.
  void SetPem(CURLoption option, const std::string& pem);
  CURLcode failed() const { return failed_; }

 private:
  CURL* easy_;
  CURLcode failed_ = CURLE_OK;
};

// The way to a server. What is referred to must outlive the transfer.
struct CurlTarget {
  const HttpRequest& request;
  const UrlParts& url;
  const TlsMaterial& tls;
  const std::string& proxy;  // "" = none

  // The name that the certificate must bear is another one than the endpoint's.
  bool Renamed() const { return url.tls && !tls.server_name_override.empty(); }
};
// Filled by SetTarget; libcurl refers to it until the transfer is over.
struct CurlTargetBuffers {
  CurlList connect_to;
  std::array<char, CURL_ERROR_SIZE> error{};
};
void SetTarget(CurlOptions& options, const CurlTarget& target, CurlTargetBuffers& buffers);

}  // namespace kiln
