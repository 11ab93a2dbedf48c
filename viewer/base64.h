// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace kiln::viewer {

// `bytes` in the standard alphabet with padding (RFC 4648 section 4), without line breaks.
std::string Base64Encode(std::string_view bytes);

}  // namespace kiln::viewer
