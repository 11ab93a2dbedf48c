// SPDX-License-Identifier: Apache-2.0
#include "agent/cli/report_tree.h"

#include <absl/container/flat_hash_map.h>
#include <absl/container/flat_hash_set.h>
#include <absl/container/node_hash_map.h>
#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/cli/hot_functions.h"
#include "agent/cli/report_table.h"
#include "agent/cli/terminal.h"
#include "pprof/labels.h"

namespace kiln::agent {
namespace {

using profile::Location;
using profile::Profile;

constexpr size_t kMaxIndent = 60;

struct Node {
  std::string_view name;  // owned by the profile or by CallTree::made_names_
  std::string_view module{};
  int64_t total = 0;
  int64_t self = 0;
  std::vector<size_t> children{};
};

class CallTree {
 public:
  explicit CallTree(const Profile& profile) : profile_(profile) {
    nodes_.push_back({.name = "all"});
    absl::flat_hash_set<uint32_t> resources;
    for (const profile::Sample& sample : profile.samples) resources.insert(sample.key.resource.value());
    by_process_ = resources.size() > 1;
    for (const profile::Sample& sample : profile.samples) Add(sample);
    for (Node& node : nodes_) {
      std::sort(node.children.begin(), node.children.end(), [&](size_t a, size_t b) {
        return std::pair(-nodes_[a].total, nodes_[a].name) < std::pair(-nodes_[b].total, nodes_[b].name);
      });
    }
  }

  const Node& operator[](size_t index) const { return nodes_[index]; }

 private:
  void Add(const profile::Sample& sample) {
    const int64_t value = sample.values.at(0);
    size_t at = Count(0, value);
    if (by_process_) at = Count(Child(at, ProcessName(sample.key.resource), ""), value);
    const auto& locations = profile_.stacks[sample.key.stack].locations;
    for (auto index = locations.rbegin(); index != locations.rend(); ++index) {
      const Location& location = profile_.locations[*index];
      const std::string_view module =
          location.mapping ? BaseName(profile_.strings[profile_.mappings[*location.mapping].filename]) : "";
      if (location.lines.empty()) at = Count(Child(at, Made(pprof::BareFrameName(profile_, location)), module), value);
      for (auto line = location.lines.rbegin(); line != location.lines.rend(); ++line) {
        at = Count(Child(at, profile_.strings[profile_.functions[line->function].name], module), value);
      }
    }
    nodes_[at].self = SaturatingAdd(nodes_[at].self, value);
  }

  size_t Count(size_t node, int64_t value) {
    nodes_[node].total = SaturatingAdd(nodes_[node].total, value);
    return node;
  }

  size_t Child(size_t parent, std::string_view name, std::string_view module) {
    const auto [entry, is_new] = edges_.try_emplace({parent, {name, module}}, nodes_.size());
    if (is_new) {
      nodes_.push_back({.name = name, .module = module});
      nodes_[parent].children.push_back(entry->second);
    }
    return entry->second;
  }

  // "name (pid)", as far as known.
  std::string_view ProcessName(profile::AttributeSetIndex resource) {
    std::string name = pprof::ProcessName(profile_, resource);
    if (name.empty()) return "process";
    const auto* pid = pprof::FindAttribute(profile_, resource, pprof::kProcessPid);
    if (pid == nullptr) return Made(name);
    const std::string number = pprof::ValueText(profile_, *pid);
    if (name != "process " + number) name += fmt::format(" ({})", number);
    return Made(name);
  }

  // Keeps a name that was put together here; equal texts share one address.
  std::string_view Made(const std::string& text) { return made_names_.try_emplace(text).first->first; }

  using Edge = std::pair<size_t, std::pair<std::string_view, std::string_view>>;
  const Profile& profile_;
  bool by_process_ = false;
  std::vector<Node> nodes_;  // [0] is the root
  absl::flat_hash_map<Edge, size_t> edges_;
  absl::node_hash_map<std::string, char> made_names_;
};

}  // namespace

std::string RenderCallTree(const Profile& profile, const TreeOptions& options) {
  const CallTree tree(profile);
  if (tree[0].total == 0) return "no samples\n";
  const int64_t samples = options.whole == 0 ? tree[0].total : options.whole;
  const double least = options.cut_off_percent / 100 * static_cast<double>(samples);

  std::string text = " total%   self%  function\n";
  std::vector<std::pair<size_t, size_t>> to_show;  // node, indent; the next one is at the end
  const auto push_children = [&](size_t parent, size_t indent) {
    const std::vector<size_t>& children = tree[parent].children;
    for (auto child = children.rbegin(); child != children.rend(); ++child) to_show.emplace_back(*child, indent);
  };
  push_children(0, 0);
  while (!to_show.empty()) {
    const auto [index, indent] = to_show.back();
    to_show.pop_back();
    const Node& node = tree[index];
    if (static_cast<double>(node.total) < least || node.total == 0) continue;
    std::string line = fmt::format("{:>7} {:>7}  {}{}", Percent(node.total, samples), Percent(node.self, samples),
                                   std::string(std::min(indent, kMaxIndent), ' '), HarmlessText(node.name));
    if (node.module.starts_with('[')) {
      line += "  " + HarmlessText(node.module);
    } else if (!node.module.empty()) {
      line += fmt::format("  [{}]", HarmlessText(node.module));
    }
    text += (options.width == 0 ? line : CutToWidth(line, std::max<size_t>(options.width, 40))) + "\n";
    const bool is_chain = node.children.size() == 1 && tree[node.children.front()].total == node.total;
    push_children(index, is_chain ? indent : indent + 1);
  }
  return text;
}

}  // namespace kiln::agent
