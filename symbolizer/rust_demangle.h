// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace kiln::symbolizer {

// A Rust symbol, legacy (_ZN…17h<hash>E) or v0 (_R…), as a path without hashes. nullopt if it is neither, is damaged,
// or needs more than the limits of demangle.h. Suffixes have been removed before. Thread-safe.
std::optional<std::string> RustDemangle(std::string_view mangled);

}  // namespace kiln::symbolizer
