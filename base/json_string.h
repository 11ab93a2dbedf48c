// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace kiln {

// Appends `text` as a JSON string (RFC 8259 section 7), in quotes. Control characters, quotes and backslashes are
// escaped; all else, UTF-8 or not, passes as it is.
void AppendJsonString(std::string_view text, std::string& out);

// The same as a string of its own.
inline std::string JsonString(std::string_view text) {
  std::string out;
  AppendJsonString(text, out);
  return out;
}

}  // namespace kiln
