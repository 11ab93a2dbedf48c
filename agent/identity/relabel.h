// SPDX-License-Identifier: Apache-2.0
// Rules that the user gives about attributes, in the manner of Prometheus' relabelling.
//
//   keep    the process is left out unless `regex` matches the value of `source`
//   drop    the process is left out if it does
//   set     if it does, `target` gets `value`, in which $1, ${1}, ${name} and \1 stand for groups and $$ for a dollar
//           sign; an empty result removes `target`. Without a `source` it is always done
//   remove  if it does, `target` is removed. Without a `source` it is always done
//
// They are applied in order, each to what those before it made. A regular expression (RE2) must match the whole value,
// and an attribute that is not there has the empty value; the default matches all. Numbers are matched and set as text.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/identity/attribute.h"
#include "base/status.h"

namespace kiln::agent::identity {

enum class RelabelAction : uint8_t { kKeep, kDrop, kSet, kRemove };

struct RelabelRule {
  RelabelAction action = RelabelAction::kKeep;
  std::string source;        // key of the attribute that is looked at
  std::string regex = ".*";  // at most 1024 bytes
  std::string target;        // key of the attribute that is changed: set, remove
  std::string value;         // set
};

inline constexpr size_t kMaxRelabelRules = 256;

// "keep", "drop", "set", "remove".
std::string_view NameOf(RelabelAction action);

// Thread-compatible: Apply may run on several threads at once.
class Relabeler {
 public:
  // kInvalidArgument lists everything that is wrong, each by the number of the rule, counted from 1, and its action.
  static StatusOr<Relabeler> Compile(const std::vector<RelabelRule>& rules);
  // The same for one rule, without its number: for a configuration that knows where the rule stands.
  static Status Check(const RelabelRule& rule);

  Relabeler(Relabeler&&) noexcept;
  Relabeler& operator=(Relabeler&&) noexcept;
  ~Relabeler();

  bool empty() const { return rules_.empty(); }
  // Whether some rule gives `key` a value.
  bool Sets(std::string_view key) const;

  // Applies the rules to the attributes of a process. False if it is left out; what `attributes` hold then is of no
  // meaning. What a rule sets is at most 64 KiB long.
  bool Apply(Attributes& attributes) const;

 private:
  struct Compiled;
  explicit Relabeler(std::vector<std::unique_ptr<const Compiled>> rules);
  static StatusOr<std::unique_ptr<const Compiled>> CompileRule(const RelabelRule& rule);
  std::vector<std::unique_ptr<const Compiled>> rules_;
};

}  // namespace kiln::agent::identity
