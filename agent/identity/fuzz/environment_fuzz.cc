// SPDX-License-Identifier: Apache-2.0
// What a process says of itself: /proc/PID/environ, OTEL_RESOURCE_ATTRIBUTES in it, its command line.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "agent/identity/redaction.h"
#include "agent/identity/resource_attributes.h"
#include "agent/identity/user_names.h"
#include "profile/utf8.h"

using namespace kiln;
using namespace kiln::agent::identity;

namespace {

void Check(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto attributes = ParseResourceAttributes(text); attributes.ok()) {
    for (size_t i = 0; i < attributes->size(); ++i) {
      const Attribute& attribute = (*attributes)[i];
      Check(!attribute.key.empty() && profile::IsValidUtf8(attribute.key));
      Check(!TextOf(attribute).empty() && profile::IsValidUtf8(TextOf(attribute)));
      Check(Find(*attributes, attribute.key) == &attribute);  // unique
    }
  }
  for (const bool complete : {false, true}) {
    for (const auto& [name, value] : ParseEnvironment(text, {"A", "OTEL_SERVICE_NAME"}, complete)) {
      Check(value.size() < text.size() && (name == "A" || name == "OTEL_SERVICE_NAME"));
    }
  }
  static const Redactor* redactor = new Redactor(*Redactor::Compile({"x(y*)", "-p(\\S+)", "[0-9]{8,}"}));
  std::vector<std::string_view> arguments;
  for (std::string_view rest = text; !rest.empty();) {
    const size_t zero = rest.find('\0');
    arguments.push_back(rest.substr(0, zero));
    rest.remove_prefix(zero == std::string_view::npos ? rest.size() : zero + 1);
  }
  Check(profile::IsValidUtf8(redactor->CommandLine(arguments)));
  Check(profile::IsValidUtf8(redactor->Variable("A", text)));
  // The secret of an option never gets through.
  const std::string secret = "5ecret-value";
  arguments.insert(arguments.begin(), {"--password", secret});
  Check(redactor->CommandLine(arguments).find(secret) == std::string::npos ||
        text.find(secret) != std::string_view::npos);
  (void)ParsePasswd(text);
  return 0;
}
