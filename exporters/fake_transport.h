// SPDX-License-Identifier: Apache-2.0
// An HttpTransport for tests: records what was sent and answers as told.
#pragma once

#include <functional>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/net/http_client.h"

namespace kiln::exporters {

struct SentRequest {
  std::string method, url, body;
  HttpHeaders headers;
  absl::Duration timeout;

  // The first of this name, "" if there is none.
  std::string Header(std::string_view name) const {
    for (const auto& [key, value] : headers) {
      if (key == name) return value;
    }
    return "";
  }
};

// What a FakeTransport shares with its test, which outlives it.
struct FakeServer {
  std::function<StatusOr<HttpResponse>(const SentRequest&)> answer = [](const SentRequest&) {
    return HttpResponse{.status = 200, .headers = {}, .trailers = {}, .body = ""};
  };
  std::mutex mutex;
  std::vector<SentRequest> requests;
  int cancelled = 0;
};

class FakeTransport : public HttpTransport {
 public:
  explicit FakeTransport(FakeServer& server) : server_(server) {}

  StatusOr<HttpResponse> Send(const HttpRequest& request) override {
    SentRequest sent{request.method, request.url, std::string(request.body), request.headers, request.timeout};
    const std::lock_guard lock(server_.mutex);
    server_.requests.push_back(sent);
    return server_.answer(sent);
  }
  void Cancel() override { ++server_.cancelled; }

 private:
  FakeServer& server_;
};

}  // namespace kiln::exporters
