// SPDX-License-Identifier: Apache-2.0
// The flame graph page: one HTML file that needs nothing but a browser.
//
// The page is put together at build time from web/ (see bundle.cmake) and embedded; here only the title and the data
// are filled in. The data is gzip in base64, so no name of a function can end the script or start a new element; its
// content security policy lets no script run but the page's own (by hash) and allows no connection.
#pragma once

#include <string>

#include "profile/profile.h"

namespace kiln::viewer {

// The whole page, UTF-8. `profile` must be valid (profile::Validate). Equal profiles give equal pages.
//
// The title shows the properties kiln.command (or process.command_line, kiln.target) and kiln.host (or host.name). All
// properties stand in the panel "About this profile"; numbers above zero whose key speaks of something lost, dropped or
// not followed also raise a badge beside the title, which names kiln.samples.lost.
std::string RenderHtml(const profile::Profile& profile);

}  // namespace kiln::viewer
