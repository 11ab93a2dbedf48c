// SPDX-License-Identifier: Apache-2.0
// Command lines and environment variables without what is secret in them. A best effort: what no rule knows for a
// secret passes, so command lines leave kiln only where the user asked for them.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace re2 {
class RE2;
}

namespace kiln::agent::identity {

inline constexpr std::string_view kRedacted = "[redacted]";

// Thread-compatible.
class Redactor {
 public:
  // `patterns` (RE2, unanchored) are applied in order, after the built-in rules. What a pattern's groups match is
  // replaced, or all that it matches if it has none. kInvalidArgument names each pattern that is wrong. At most 64.
  static StatusOr<Redactor> Compile(const std::vector<std::string>& patterns);

  Redactor(Redactor&&) noexcept;
  Redactor& operator=(Redactor&&) noexcept;
  ~Redactor();

  // Arguments joined by spaces, valid UTF-8. Built in: the value of an option or assignment whose name speaks of a
  // secret (--password X, --db-token=X, API_KEY=X, -Dkeystore.password=X), credentials in a URL (//user:X@host), and
  // headers of the kind Authorization: X.
  std::string CommandLine(const std::vector<std::string_view>& arguments) const;

  // `text` as valid UTF-8, by the patterns and the rules for URLs and headers; all of it is replaced if `name` speaks
  // of a secret.
  std::string Variable(std::string_view name, std::string_view text) const;

 private:
  struct Rules;
  explicit Redactor(std::unique_ptr<const Rules> rules);
  void ApplyPatterns(std::string& text) const;
  std::unique_ptr<const Rules> rules_;
};

}  // namespace kiln::agent::identity
