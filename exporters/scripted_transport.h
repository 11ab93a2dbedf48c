// SPDX-License-Identifier: Apache-2.0
// An HttpTransport for tests of the OTLP exporters: records one request and gives one answer.
#pragma once

#include <string>

#include "base/net/http_client.h"

namespace kiln::exporters {

// Outlives the transport, so that the test can look at it while the exporter owns that.
struct TransportScript {
  StatusOr<HttpResponse> answer = HttpResponse{.status = 200};
  HttpRequest request;  // the last one; its body is in `body`
  std::string body;
  int sent = 0;
  bool cancelled = false;

  // Of the request; "" if there is none.
  std::string Header(std::string_view name) const {
    for (const auto& [key, value] : request.headers)
      if (key == name) return value;
    return "";
  }
};

class ScriptedTransport : public HttpTransport {
 public:
  explicit ScriptedTransport(TransportScript& script) : script_(script) {}
  StatusOr<HttpResponse> Send(const HttpRequest& request) override {
    script_.sent++;
    script_.request = request;
    script_.body = request.body;
    return script_.answer;
  }
  void Cancel() override { script_.cancelled = true; }

 private:
  TransportScript& script_;
};

}  // namespace kiln::exporters
