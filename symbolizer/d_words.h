// SPDX-License-Identifier: Apache-2.0
// What letters in symbols of D stand for.
#pragma once

#include <string_view>

namespace kiln::symbolizer {

// "" if it is none.
std::string_view DBasicType(char tag);
// Ends in a space; "" for that of D itself, and if it is none.
std::string_view DCallConvention(char tag);
// Of a function, behind 'N'; ends in a space. "" = no attribute, but the begin of a type or parameter.
std::string_view DAttribute(char tag);

}  // namespace kiln::symbolizer
