// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/d_words.h"

namespace kiln::symbolizer {

std::string_view DBasicType(char tag) {
  switch (tag) {
    case 'a': return "char";
    case 'b': return "bool";
    case 'c': return "creal";
    case 'd': return "double";
    case 'e': return "real";
    case 'f': return "float";
    case 'g': return "byte";
    case 'h': return "ubyte";
    case 'i': return "int";
    case 'j': return "ireal";
    case 'k': return "uint";
    case 'l': return "long";
    case 'm': return "ulong";
    case 'n': return "typeof(null)";
    case 'o': return "ifloat";
    case 'p': return "idouble";
    case 'q': return "cfloat";
    case 'r': return "cdouble";
    case 's': return "short";
    case 't': return "ushort";
    case 'u': return "wchar";
    case 'v': return "void";
    case 'w': return "dchar";
    default: return "";
  }
}

std::string_view DCallConvention(char tag) {
  switch (tag) {
    case 'U': return "extern(C) ";
    case 'W': return "extern(Windows) ";
    case 'V': return "extern(Pascal) ";
    case 'R': return "extern(C++) ";
    case 'Y': return "extern(Objective-C) ";
    default: return "";
  }
}

std::string_view DAttribute(char tag) {
  switch (tag) {
    case 'a': return "pure ";
    case 'b': return "nothrow ";
    case 'c': return "ref ";
    case 'd': return "@property ";
    case 'e': return "@trusted ";
    case 'f': return "@safe ";
    case 'i': return "@nogc ";
    case 'j': return "return ";
    case 'l': return "scope ";
    case 'm': return "@live ";
    default: return "";
  }
}

}  // namespace kiln::symbolizer
