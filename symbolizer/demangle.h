// SPDX-License-Identifier: Apache-2.0
// Names for people from names of symbols.
//
//   C++ (Itanium ABI)   _ZN3foo3barEi            foo::bar(int)          template arguments are kept in full
//   Rust, legacy        _ZN3foo3bar17h0123…E     foo::bar               without the hash
//   Rust, v0            _RNvCs1234_3foo3bar      foo::bar               without crate hashes
//   D                   _D3foo3barFiZv           foo.bar(int)
//   any                 bar.isra.0, bar@@V1      bar                    see below
//
// What compilers and linkers append goes, so that the parts and versions of one function are one in a profile, under
// the name that debug information has, too: .part.N, .isra.N, .constprop.N, .lto_priv.N, .llvm.N, .cold.N, @VERSION,
// @@VERSION, and .cold and .localalias of mangled names. Other suffixes stay ("foo._omp_fn.0" is another function). The
// full symbol is kept in SourceLine::system_name. @plt stays: the stub is no part of the function.
//
// Names are hostile. Demangled names can be exponentially longer than mangled ones and take as long to make, so length,
// depth and output are limited; beyond a limit the name stays as it is.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace kiln::symbolizer {

// Longer names are not demangled. Of 120 000 C++ names in LLVM and Clang the longest has 615 bytes.
inline constexpr size_t kMaxMangledBytes = 4096;
inline constexpr size_t kMaxDemangledBytes = 64 * 1024;

// The input without suffixes if it is not mangled; the whole input if it is damaged or beyond a limit. Thread-safe;
// takes up to 2 MiB of stack.
std::string Demangle(std::string_view mangled);

// The input without what compilers and linkers append, see above. Part of the input.
std::string_view WithoutSuffixes(std::string_view name);

// True if the name looks like a C++, Rust or D one. Names from elsewhere (perf maps) are better left alone if not.
bool IsMangled(std::string_view name);

}  // namespace kiln::symbolizer
