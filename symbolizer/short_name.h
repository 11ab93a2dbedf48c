// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace kiln::symbolizer {

// A C++ or Rust name for a narrow column: what stands in <…> and (…) at the outermost level is left out, so that
// "std::vector<int, std::allocator<int> >::push_back(int const&)" becomes "std::vector<…>::push_back(…)". Operators
// (operator<, operator->, operator()), "(anonymous namespace)" and "{lambda()#1}" stay readable. Text whose brackets do
// not match comes back as it is.
std::string ShortName(std::string_view name);

}  // namespace kiln::symbolizer
