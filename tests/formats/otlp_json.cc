// SPDX-License-Identifier: Apache-2.0
// For checks by readers that share no code with kiln:
//   otlp_json schema                 the table of otlp/schema.h, a line "package message number name kind presence
//   type"
//                                    per field ("-" = no message type)
//   otlp_json traces|metrics|logs|profiles FILE…   each request (protobuf) as a line of OTLP/JSON
#include <cstdio>
#include <string>
#include <string_view>

#include "base/file.h"
#include "otlp/json.h"

namespace {

namespace schema = kiln::otlp::schema;

constexpr std::string_view kKinds[] = {"string",  "bytes",   "bytes",    "bool",   "int32",
                                       "int64",   "uint32",  "uint64",   "sint32", "enum",
                                       "fixed32", "fixed64", "sfixed64", "double", "message"};
constexpr std::string_view kPresences[] = {"implicit", "explicit", "oneof", "repeated"};

void PrintSchema() {
  for (const schema::Message* message : schema::AllMessages()) {
    for (const schema::Field& field : message->fields) {
      fmt::print("{} {} {} {} {} {} {}\n", message->package, message->name, field.number, field.name,
                 kKinds[static_cast<size_t>(field.kind)], kPresences[static_cast<size_t>(field.presence)],
                 field.message == nullptr ? "-" : fmt::format("{}.{}", field.message->package, field.message->name));
    }
  }
}

const schema::Message* Request(std::string_view signal) {
  if (signal == "traces") return &schema::kExportTraceServiceRequest;
  if (signal == "metrics") return &schema::kExportMetricsServiceRequest;
  if (signal == "logs") return &schema::kExportLogsServiceRequest;
  return signal == "profiles" ? &schema::kExportProfilesServiceRequest : nullptr;
}

kiln::Status PrintJson(const schema::Message& request, const std::string& path) {
  constexpr size_t kLimit = size_t{1} << 30;
  KILN_ASSIGN_OR_RETURN(const std::string bytes, kiln::ReadFile(path, kLimit));
  std::string text;
  KILN_RETURN_IF_ERROR(kiln::otlp::AppendJson(request, bytes, kLimit, text));
  text += '\n';
  std::fwrite(text.data(), 1, text.size(), stdout);
  return absl::OkStatus();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2 && std::string_view(argv[1]) == "schema") {
    PrintSchema();
    return 0;
  }
  const schema::Message* request = argc > 2 ? Request(argv[1]) : nullptr;
  if (request == nullptr) {
    std::fprintf(stderr, "usage: otlp_json schema | otlp_json traces|metrics|logs|profiles FILE...\n");
    return 2;
  }
  for (int i = 2; i < argc; ++i) {
    if (const kiln::Status status = PrintJson(*request, argv[i]); !status.ok()) {
      std::fprintf(stderr, "otlp_json: %s: %s\n", argv[i], std::string(kiln::Message(status)).c_str());
      return 1;
    }
  }
  return 0;
}
