// SPDX-License-Identifier: Apache-2.0
// KeyParser and the view on any bytes, in pieces as the first byte says: what comes out is whole characters, what waits
// is short, and the filter stays UTF-8.
#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "agent/top/view.h"
#include "profile/utf8.h"

using namespace kiln;
using namespace kiln::agent;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const size_t piece = size_t{data[0]} + 1;
  std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  KeyParser parser;
  TopView view;
  const auto apply = [&](const std::vector<Key>& keys) {
    for (const Key& key : keys) {
      if (key.code == KeyCode::kText && (key.text.empty() || !profile::IsValidUtf8(key.text))) std::abort();
      (void)ApplyKey(key, view);
      if (!profile::IsValidUtf8(view.filter)) std::abort();
    }
  };
  while (!rest.empty()) {
    apply(parser.Feed(rest.substr(0, piece)));
    rest.remove_prefix(std::min(rest.size(), piece));
  }
  apply(parser.Flush());
  if (parser.is_waiting()) std::abort();
  return 0;
}
