// SPDX-License-Identifier: Apache-2.0
// Whatever AppendJson accepts becomes JSON that a reader accepts, in one line. Read as each of the signals.
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "otlp/json.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace schema = kiln::otlp::schema;
  const schema::Message* messages[] = {&schema::kExportProfilesServiceRequest, &schema::kExportTraceServiceRequest,
                                       &schema::kExportMetricsServiceRequest, &schema::kExportLogsServiceRequest};
  const std::string_view wire(reinterpret_cast<const char*>(data), size);
  for (const schema::Message* message : messages) {
    std::string text;
    const kiln::Status status = kiln::otlp::AppendJson(*message, wire, size_t{1} << 24, text);
    if (!status.ok() && !text.empty()) std::abort();
    if (status.ok() && (!nlohmann::json::accept(text) || text.find('\n') != std::string::npos)) std::abort();
  }
  return 0;
}
