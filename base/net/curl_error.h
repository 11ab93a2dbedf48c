// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <curl/curl.h>

#include <string>
#include <string_view>

#include "base/status.h"

namespace kiln {

// What failed, for the message.
struct FailedTransfer {
  std::string target;          // "POST to host:port"
  std::string_view detail;     // libcurl's own words (CURLOPT_ERRORBUFFER); may be empty
  bool through_proxy = false;
  bool tls = false;
};

// A transfer's error as HttpTransport::Send returns it, with what to do about it.
Status StatusFromCurl(CURLcode code, const FailedTransfer& failed);

}  // namespace kiln
