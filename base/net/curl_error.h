// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <curl/curl.h>

#include <string_view>

#include "base/net/curl_options.h"
#include "base/status.h"

namespace kiln {

// Bounds of an answer: what is larger is not read on.
inline constexpr size_t kMaxAnswerBytes = 4 << 20;
inline constexpr size_t kMaxAnswerHeaderBytes = 256 << 10;

struct FailedTransfer {
  const CurlTarget& target;
  std::string_view detail;  // libcurl's own words (CURLOPT_ERRORBUFFER); may be empty
  bool cancelled = false;
};

// A transfer's error as HttpTransport::Send returns it, with what to do about it.
Status StatusFromCurl(CURLcode code, const FailedTransfer& failed);

// Errors that only we find. "POST to host:port failed: <what>".
Status TransferError(absl::StatusCode code, const CurlTarget& target, std::string_view what);
Status AnswerTooLarge(const CurlTarget& target);

}  // namespace kiln
