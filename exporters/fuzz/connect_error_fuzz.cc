// SPDX-License-Identifier: Apache-2.0
// Error answers of any kind: the message stays short, one line and UTF-8. The first byte picks the status.
#include <cstdlib>

#include "exporters/pyroscope_response.h"
#include "profile/utf8.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  kiln::HttpResponse response{.status = size > 0 ? 200 + 2 * data[0] : 400, .body = std::string(text)};
  response.headers = {{"retry-after", std::string(text.substr(0, 40))}, {"content-type", std::string(text)}};
  const auto result = kiln::exporters::PushResult(response, 1'700'000'000'000'000'000);
  if (result.message.size() > 2000 || !kiln::profile::IsValidUtf8(result.message)) std::abort();
  for (const char c : result.message) {
    if (static_cast<unsigned char>(c) < 0x20) std::abort();
  }
  if (result.retry_after && (*result.retry_after < absl::ZeroDuration() || *result.retry_after > absl::Hours(1))) {
    std::abort();
  }
  return 0;
}
