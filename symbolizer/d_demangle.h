// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace kiln::symbolizer {

// True if the name looks like a symbol of D: "_D" and a length, or the program's _Dmain.
bool IsDMangled(std::string_view name);

// A symbol of D as the declaration without return type and attributes, e.g. "std.stdio.writeln!(int).writeln(int)".
// nullopt if it is none, is damaged, or needs more than the limits of demangle.h. Thread-safe.
std::optional<std::string> DDemangle(std::string_view mangled);

}  // namespace kiln::symbolizer
