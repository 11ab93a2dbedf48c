// SPDX-License-Identifier: Apache-2.0
// The spelling of single identifiers and literals in Rust symbols.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace kiln::symbolizer {

// UTF-8; "" for what is no Unicode scalar value.
std::string EncodeUtf8(uint32_t code_point);

// RFC 3492 with '_' as the delimiter, as Rust writes it; UTF-8. nullopt if damaged or longer than 128 characters.
std::optional<std::string> DecodePunycode(std::string_view encoded);

// One part of a legacy path: $LT$ -> <, $u7b$ -> {, ".." -> "::" … What is no escape stays.
std::string UnescapeLegacy(std::string_view part);

// `text` as a literal between two `quote`s; control characters are escaped.
std::string QuoteRust(std::string_view text, char quote);

}  // namespace kiln::symbolizer
