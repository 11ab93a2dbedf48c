// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <compare>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace kiln::agent::config {

// Where something was written.
struct Place {
  int file = -1;   // in the order of Report::AddFile; -1 = nowhere
  int line = 0;    // from 1; 0 = the file as a whole
  int column = 0;  // from 1, in bytes
  friend auto operator<=>(const Place&, const Place&) = default;
};

// One thing that is wrong, or worth a word.
struct Diagnostic {
  std::string file;
  int line = 0, column = 0;  // as in Place
  std::string path;          // of the key, such as exporters.otlp.tls; "" = the file
  std::string message;
  // "kiln.yaml:12:5: exporters.otlp.timeuot: unknown key; …", on one line.
  std::string Text() const;
};

// Collects what is found, in any order. Thread-compatible.
class Report {
 public:
  // Names a file; the same name twice gives the same number.
  int AddFile(std::string name);
  // "kiln.yaml:12"; "kiln.yaml" for the file as a whole.
  std::string Name(const Place& place) const;
  const std::vector<std::string>& files() const { return files_; }

  void Error(const Place& place, std::string path, std::string message);
  void Warning(const Place& place, std::string path, std::string message);
  size_t error_count() const { return errors_.size(); }
  bool HasErrorAt(const std::string& path) const { return error_paths_.contains(path); }

  // By file, line and column; what was said twice comes once.
  std::vector<Diagnostic> errors() const { return Sorted(errors_); }
  std::vector<Diagnostic> warnings() const { return Sorted(warnings_); }

 private:
  struct Entry {
    Place place;
    std::string path, message;
    friend auto operator<=>(const Entry&, const Entry&) = default;
  };
  std::vector<Diagnostic> Sorted(const std::vector<Entry>& entries) const;

  std::vector<std::string> files_;
  std::vector<Entry> errors_, warnings_;
  std::set<std::string> error_paths_;
};

// "a, b and c"; "…" after `limit` of them.
std::string JoinNames(const std::vector<std::string_view>& names, std::string_view last = " or ");

// `text` in quotes for a message: cut if long, control characters replaced.
std::string Quoted(std::string_view text);

// "; did you mean X?" if one of `names` is near to `word`, else "".
std::string DidYouMean(std::string_view word, const std::vector<std::string_view>& names);

}  // namespace kiln::agent::config
