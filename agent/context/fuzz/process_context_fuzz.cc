// SPDX-License-Identifier: Apache-2.0
// The payload of a process context, and the maps text that it is found by, of any bytes.
#include <cstdint>
#include <cstdlib>
#include <set>

#include "agent/context/process_context.h"
#include "profile/utf8.h"

using namespace kiln;
using namespace kiln::agent;

namespace {

void Check(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  (void)FindProcessContext(bytes);
  const StatusOr<ProcessContext> context = ParseProcessContext(bytes);
  if (!context.ok()) return 0;
  std::set<std::string> keys;
  for (const identity::Attribute& attribute : context->resource) {
    Check(!attribute.key.empty() && keys.insert(attribute.key).second);
    Check(profile::IsValidUtf8(attribute.key) && !TextOf(attribute).empty());
    Check(profile::IsValidUtf8(TextOf(attribute)));
  }
  Check(context->thread_keys.size() <= kMaxThreadKeys);
  for (const std::string& key : context->thread_keys) Check(profile::IsValidUtf8(key));
  Check(profile::IsValidUtf8(context->thread_schema));
  return 0;
}
