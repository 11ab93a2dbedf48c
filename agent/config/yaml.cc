// SPDX-License-Identifier: Apache-2.0
// On yaml-cpp's events, not on its nodes: they keep duplicate keys and the places of keys, tell quoted from plain
// scalars, and leave the limits on aliases and depth to us.
#include "agent/config/yaml.h"

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <map>
#include <sstream>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

namespace kiln::agent::config {
namespace {

bool IsNullText(std::string_view text) {
  return text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL";
}

bool IsTextTag(const std::string& tag) { return tag == "!" || tag == "tag:yaml.org,2002:str"; }

bool IsKnownTag(const std::string& tag) {
  return tag.empty() || tag == "?" || tag == "!" || (tag.starts_with("tag:yaml.org,2002:") && !tag.ends_with("binary"));
}

// Builds the tree. After the first fault events are only counted off: yaml-cpp has no way to stop but an exception.
class TreeBuilder final : public YAML::EventHandler {
 public:
  TreeBuilder(int file, Report& report) : file_(file), report_(report) {}

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++documents_ == 2) Fail(At(mark), "a second document begins here; a configuration is one document");
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override { Add({.place = At(mark)}, anchor); }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& text) override {
    CheckTag(mark, tag);
    Value value{.kind = Value::Kind::kScalar, .quoted = IsTextTag(tag), .text = text, .place = At(mark)};
    if (!value.quoted && IsNullText(text)) value.kind = Value::Kind::kNull;
    last_scalar_ = value.place;
    last_is_quoted_ = tag == "!";
    Add(std::move(value), anchor);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    if (failed_) return;
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) return Fail(At(mark), "an alias of a value that holds it");
    values_ += Count(found->second);
    if (values_ > kMaxValues) return Fail(At(mark), fmt::format("more than {} values, with aliases", kMaxValues));
    if (static_cast<int>(open_.size()) + Depth(found->second) > kMaxDepth) return FailDepth(mark);
    Value copy = found->second;
    Add(std::move(copy), YAML::NullAnchor);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    Open(mark, tag, Value::Kind::kList, anchor);
  }
  void OnSequenceEnd() override { Close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    Open(mark, tag, Value::Kind::kMap, anchor);
  }
  void OnMapEnd() override { Close(); }

  bool failed() const { return failed_; }
  Value TakeRoot() { return std::move(root_); }
  // The last scalar, if it stood in quotes (or was a block): yaml-cpp takes a quote that is never closed for one that
  // ends with the file.
  std::optional<Place> last_quoted() const { return last_is_quoted_ ? std::optional(last_scalar_) : std::nullopt; }

 private:
  // A map or a list that is being read.
  struct Container {
    Value value;
    YAML::anchor_t anchor;
    std::optional<Member> key;                    // map: read, its value is awaited
    std::unordered_map<std::string, Place> seen;  // keys
    std::vector<std::pair<Place, Value>> merges;  // values of "<<"
  };

  Place At(const YAML::Mark& mark) const { return {.file = file_, .line = mark.line + 1, .column = mark.column + 1}; }

  void Fail(const Place& place, std::string message) {
    if (!failed_) report_.Error(place, "", std::move(message));
    failed_ = true;
  }
  void FailDepth(const YAML::Mark& mark) { Fail(At(mark), fmt::format("nested deeper than {} levels", kMaxDepth)); }

  void CheckTag(const YAML::Mark& mark, const std::string& tag) {
    if (!IsKnownTag(tag)) Fail(At(mark), fmt::format("the tag {} is not known here", Quoted(tag)));
  }

  static int Count(const Value& value) {
    int count = 1;
    for (const Value& item : value.items) count += Count(item);
    for (const Member& member : value.members) count += Count(member.value);
    return count;
  }
  static int Depth(const Value& value) {
    int depth = 0;
    for (const Value& item : value.items) depth = std::max(depth, Depth(item));
    for (const Member& member : value.members) depth = std::max(depth, Depth(member.value));
    return depth + (value.kind == Value::Kind::kList || value.kind == Value::Kind::kMap ? 1 : 0);
  }

  void Open(const YAML::Mark& mark, const std::string& tag, Value::Kind kind, YAML::anchor_t anchor) {
    if (failed_) return;
    CheckTag(mark, tag);
    if (static_cast<int>(open_.size()) >= kMaxDepth) return FailDepth(mark);
    open_.push_back({.value = {.kind = kind, .place = At(mark)}, .anchor = anchor});
  }

  void Close() {
    if (failed_ || open_.empty()) return;
    Container closed = std::move(open_.back());
    open_.pop_back();
    for (auto& [place, from] : closed.merges) MergeKey(closed.value, place, std::move(from));
    Add(std::move(closed.value), closed.anchor);
  }

  void Add(Value value, YAML::anchor_t anchor) {
    if (failed_) return;
    if (++values_ > kMaxValues) return Fail(value.place, fmt::format("more than {} values", kMaxValues));
    if (anchor != YAML::NullAnchor) anchors_[anchor] = value;
    if (open_.empty()) {
      root_ = std::move(value);
      return;
    }
    Container& into = open_.back();
    if (into.value.kind == Value::Kind::kList) {
      into.value.items.push_back(std::move(value));
    } else if (!into.key) {
      AddKey(into, value);
    } else {
      into.key->value = std::move(value);
      if (into.key->key == "<<") {
        into.merges.emplace_back(into.key->place, std::move(into.key->value));
      } else {
        into.value.members.push_back(std::move(*into.key));
      }
      into.key.reset();
    }
  }

  void AddKey(Container& into, const Value& key) {
    if (key.kind != Value::Kind::kScalar) return Fail(key.place, "a key must be a text");
    const auto [seen, is_new] = into.seen.emplace(key.text, key.place);
    if (!is_new) {
      return Fail(key.place, fmt::format("the key {} stands in line {} already", Quoted(key.text), seen->second.line));
    }
    into.key = Member{.key = key.text, .place = key.place};
  }

  // https://yaml.org/type/merge.html: what the map says itself goes first, then the first of several.
  void MergeKey(Value& map, const Place& place, Value from) {
    if (from.kind == Value::Kind::kList) {
      for (Value& item : from.items) MergeKey(map, place, std::move(item));
      return;
    }
    if (from.kind != Value::Kind::kMap) return Fail(place, "<< wants a map, or a list of maps");
    std::unordered_set<std::string> have;
    for (const Member& member : map.members) have.insert(member.key);
    for (Member& member : from.members) {
      if (!have.contains(member.key)) map.members.push_back(std::move(member));
    }
  }

  const int file_;
  Report& report_;
  Value root_;
  std::vector<Container> open_;
  std::map<YAML::anchor_t, Value> anchors_;
  int values_ = 0;
  int documents_ = 0;
  bool failed_ = false;
  Place last_scalar_;
  bool last_is_quoted_ = false;
};

std::string_view Line(std::string_view text, int number) {
  for (; number > 1; --number) {
    const size_t end = text.find('\n');
    if (end == std::string_view::npos) return "";
    text.remove_prefix(end + 1);
  }
  return text.substr(0, text.find('\n'));
}

bool IsIndentedByTab(std::string_view line) {
  const size_t first = line.find_first_not_of(' ');
  return first != std::string_view::npos && line[first] == '\t' &&
         line.find_first_not_of(" \t\r", first) != std::string_view::npos;
}

// yaml-cpp's words are for its own authors in these cases.
std::string Explain(std::string_view text, const YAML::Mark& mark, const std::string& message) {
  const std::string_view line = Line(text, mark.line + 1);
  if (IsIndentedByTab(line)) return "indented by a tab; YAML takes only spaces";
  if (line.find("${") != std::string_view::npos && line.find_first_of("{[") != line.find("${") + 1) {
    return "not readable as YAML; inside of { } and [ ] put \"${…}\" in quotes";
  }
  return fmt::format("not readable as YAML: {}", message);
}

// True if the quoted scalar that begins at `place` ends before the text does.
bool IsClosed(std::string_view text, const Place& place) {
  const std::string_view line = Line(text, place.line);
  if (static_cast<size_t>(place.column) > line.size()) return true;
  size_t at = static_cast<size_t>(line.data() - text.data()) + static_cast<size_t>(place.column) - 1;
  const char quote = text[at];
  if (quote != '"' && quote != '\'') return true;  // a block, or behind an anchor
  for (++at; at < text.size(); ++at) {
    if (text[at] == '\\' && quote == '"') {
      ++at;
    } else if (text[at] == quote) {
      if (quote == '"' || at + 1 >= text.size() || text[at + 1] != '\'') return true;
      ++at;
    }
  }
  return false;
}

}  // namespace

std::optional<Value> ParseYaml(std::string_view text, int file, Report& report) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  const auto fail = [&](int line, int column, std::string message) {
    report.Error({.file = file, .line = line, .column = column}, "", std::move(message));
    return std::nullopt;
  };
  if (text.size() > kMaxConfigBytes) {
    return fail(0, 0, fmt::format("larger than the {} KiB that a configuration may have", kMaxConfigBytes / 1024));
  }
  if (text.find('\0') != std::string_view::npos || text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF")) {
    return fail(0, 0, "no text in UTF-8");
  }
  TreeBuilder builder(file, report);
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    while (!builder.failed() && parser.HandleNextDocument(builder)) {
    }
  } catch (const YAML::Exception& error) {
    if (builder.failed()) return std::nullopt;
    return fail(error.mark.line + 1, error.mark.column + 1, Explain(text, error.mark, error.msg));
  } catch (const std::exception& error) {
    return fail(0, 0, fmt::format("not readable as YAML: {}", error.what()));
  }
  if (builder.failed()) return std::nullopt;
  if (const auto last = builder.last_quoted(); last && !IsClosed(text, *last)) {
    return fail(last->line, last->column, "a quote that is never closed");
  }
  Value root = builder.TakeRoot();
  if (root.place.file < 0) root.place.file = file;
  return root;
}

namespace {

void SetPlaces(Value& value, const Place& place) {
  value.place = place;
  for (Value& item : value.items) SetPlaces(item, place);
  for (Member& member : value.members) {
    member.place = place;
    SetPlaces(member.value, place);
  }
}

}  // namespace

std::optional<Value> ParseInlineYaml(std::string_view text, const Place& place) {
  Report unheard;
  std::optional<Value> value = ParseYaml(text, unheard.AddFile(""), unheard);
  if (value) SetPlaces(*value, place);
  return value;
}

void Merge(Value& base, Value over) {
  if (base.kind != Value::Kind::kMap || over.kind != Value::Kind::kMap) {
    base = std::move(over);
    return;
  }
  std::unordered_map<std::string, size_t> known;
  for (size_t i = 0; i < base.members.size(); ++i) known.emplace(base.members[i].key, i);
  for (Member& member : over.members) {
    const auto found = known.find(member.key);
    if (found == known.end()) {
      base.members.push_back(std::move(member));
      continue;
    }
    base.members[found->second].place = member.place;
    Merge(base.members[found->second].value, std::move(member.value));
  }
}

}  // namespace kiln::agent::config
