// SPDX-License-Identifier: Apache-2.0
// Text from outside (symbol names, comms, paths) on its way to a terminal: a name must not move the cursor, recolour
// the screen or reorder the line.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace kiln::agent {

// `text` as valid UTF-8 in which every control character (C0, DEL, C1), line or paragraph separator and direction or
// other invisible format mark is replaced by U+FFFD.
std::string HarmlessText(std::string_view text);

// How many terminal columns `text` (valid UTF-8) takes: 2 for East Asian wide characters and emoji, 0 for combining
// marks, otherwise 1.
size_t DisplayWidth(std::string_view text);

// `text` (valid UTF-8) in at most `columns` columns; what was cut is marked by an ellipsis at the end. `columns` 0
// gives an empty text.
std::string CutToWidth(std::string_view text, size_t columns);

// The columns of the terminal behind `fd`; 0 if it is no terminal, which means: don't cut.
size_t TerminalWidth(int fd);

}  // namespace kiln::agent
