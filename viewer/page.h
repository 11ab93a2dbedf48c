// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace kiln::viewer {

// The page of web/ as bundle.cmake put it together, with the marks {{TITLE}} and {{DATA}} in this order, each once.
// page.cc is made by the build.
extern const std::string_view kPage;

}  // namespace kiln::viewer
