// SPDX-License-Identifier: Apache-2.0
// Text from outside on its way to a log or a page: it must not end a line, move a cursor, reorder what is read or
// become markup.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace kiln::agent {

// `text` as valid UTF-8 in one line, in which control characters, separators of lines and marks that show nothing or
// turn the direction are written as escapes: \n, \t, \x1b, \u{202e}. A backslash stays as it is; bytes that are no
// UTF-8 become U+FFFD.
std::string VisibleText(std::string_view text);

// VisibleText with & < > " ' as entities: for the text and for quoted attributes of HTML.
std::string HtmlText(std::string_view text);

// A table for a fixed-width font: columns as wide as their widest cell and two spaces apart, nothing at the end of
// lines. Cells are made visible; columns whose title begins with '>' (which is not shown) are flush right. Widths count
// code points.
std::string TextTable(const std::vector<std::string>& titles, const std::vector<std::vector<std::string>>& rows);

// "1.5 MiB"; "17 B".
std::string BytesText(uint64_t bytes);

// Passwords, tokens and keys in `text` replaced by "[redacted]": user and password of URLs, and what follows "Bearer "
// or "Basic " (in whatever case).
std::string RedactSecrets(std::string_view text);

// True for names of settings or headers whose value is a secret: password, token, authorization, api-key …
bool IsSecretName(std::string_view name);

}  // namespace kiln::agent
