// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace kiln::agent::config {

// `text` as a YAML scalar that LoadConfig reads back as this text: plain where that is safe, else in double quotes,
// with $ doubled where it would begin something.
std::string YamlText(std::string_view text);

// What is shown in the place of a secret.
inline constexpr std::string_view kRedacted = "[REDACTED]";

// `url` without the user and password in it, and without values of parameters that sound like secrets.
std::string RedactUrl(std::string_view url);

// True for names of headers, parameters and keys whose values are nobody's business.
bool SoundsSecret(std::string_view name);

}  // namespace kiln::agent::config
