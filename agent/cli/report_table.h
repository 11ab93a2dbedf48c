// SPDX-License-Identifier: Apache-2.0
// The text that `kiln report` and the end of `kiln record` print.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "profile/profile.h"

namespace kiln::agent {

struct TableOptions {
  size_t rows = 15;  // the hottest functions; what is left is told in a last line
  size_t width = 0;  // columns of the terminal, names are cut to fit; 0 = don't cut. Less than 40 counts as 40
};

// Self %, total %, function and module of the hottest functions (see hot_functions.h), one line each under a line of
// headings; "no samples\n" without any. Names of more than 60 columns are shortened (short_name.h). Every line ends in
// a newline and is safe to print.
std::string RenderFunctionTable(const profile::Profile& profile, const TableOptions& options);

// 1234567 -> "1,234,567".
std::string WithThousands(int64_t number);

// 100 * part / whole with `decimals` digits; "0" if whole is 0.
std::string Percent(int64_t part, int64_t whole, int decimals = 2);

}  // namespace kiln::agent
