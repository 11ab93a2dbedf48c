// SPDX-License-Identifier: Apache-2.0
// Relabel rules from a configuration, and an os-release: the first line is the regex, the second the value of a rule,
// the rest the attribute that it is applied to.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "agent/identity/host.h"
#include "agent/identity/relabel.h"
#include "profile/utf8.h"

using namespace kiln;
using namespace kiln::agent::identity;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  (void)ParseOsRelease(text);
  const auto line = [&text] {
    const std::string_view first = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(first.size() + 1, text.size()));
    return std::string(first);
  };
  RelabelRule rule{.action = RelabelAction::kSet, .source = "a", .target = "b"};
  rule.regex = line();
  rule.value = line();
  const auto relabeler = Relabeler::Compile({rule});
  if (relabeler.ok() != Relabeler::Check(rule).ok()) std::abort();
  if (!relabeler.ok()) return 0;
  Attributes attributes = {{"a", profile::ToValidUtf8(text)}};
  if (!relabeler->Apply(attributes)) std::abort();  // set never leaves a process out
  for (const Attribute& attribute : attributes) {
    if (!profile::IsValidUtf8(TextOf(attribute))) std::abort();
  }
  return 0;
}
