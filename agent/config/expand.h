// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "agent/config/report.h"
#include "agent/config/value.h"
#include "base/status.h"

namespace kiln::agent::config {

// Variables by name.
using Environment = std::map<std::string, std::string, std::less<>>;

// Replaces, in texts (not in keys), as the Collector does:
//   ${env:NAME} ${NAME}    the variable; unset = nothing, with a warning
//   ${env:NAME:-default}   what follows :- if it is unset or empty
//   ${file:PATH}           what the file holds, less one line end; PATH is relative to the working folder
//   ${yaml:TEXT}           TEXT
//   $$                     $
// They may stand in each other: ${env:${NAME}}, ${env:A:-${env:B}}. A value that is one ${…} as a whole becomes what
// its text is as YAML (number, list, map …) and keeps its text for where a text is wanted; inside a longer text it is
// always text. $NAME without braces stays as it is. What a variable holds is not searched for ${…} again, unlike in the
// Collector: passwords hold anything. What a file or yaml: brings in is.
class Expander {
 public:
  using FileReader = std::function<StatusOr<std::string>(const std::string& path)>;

  // All must outlive the expander.
  Expander(const Environment& environment, FileReader read_file, Report& report)
      : environment_(environment), read_file_(std::move(read_file)), report_(report) {}

  // In all of `value`, whose key path is `path` ("" = the whole configuration).
  void Expand(Value& value, const std::string& path) { ExpandValue(value, path, 0); }

  // Files that ${file:…} named, in the order of reading.
  const std::vector<std::string>& files() const { return files_; }

 private:
  struct Where {
    const Place& place;
    const std::string& path;
    int depth;
  };
  struct Replacement {
    std::string text;
    bool is_config = false;  // may hold further ${…}
  };
  void ExpandValue(Value& value, const std::string& path, int depth);
  void ExpandWhole(Value& value, std::string_view expression, const Where& where);
  std::string ExpandText(std::string_view text, const Where& where);
  // What stands for ${expression}.
  Replacement Replace(std::string_view expression, const Where& where);
  Replacement Variable(const std::string& name, std::optional<std::string_view> otherwise, const Where& where);
  bool Spend(size_t bytes, const Where& where);

  const Environment& environment_;
  FileReader read_file_;
  Report& report_;
  std::vector<std::string> files_;
  size_t rounds_ = 0, bytes_ = 0;
  bool is_exhausted_ = false;
};

}  // namespace kiln::agent::config
