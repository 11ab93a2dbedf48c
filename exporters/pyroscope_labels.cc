// SPDX-License-Identifier: Apache-2.0
#include "exporters/pyroscope_labels.h"

#include <absl/container/flat_hash_set.h>

#include <algorithm>

#include "otlp/semconv.h"
#include "pprof/labels.h"

namespace kiln::exporters {
namespace {

using profile::Profile;

// By these people look for a process, in this order; they stay when there are too many attributes.
constexpr std::string_view kEssential[] = {
    "service.namespace",
    "service.version",
    "service.instance.id",
    "deployment.environment.name",
    "host.name",
    "k8s.cluster.name",
    "k8s.namespace.name",
    "k8s.pod.name",
    "k8s.container.name",
    "k8s.node.name",
    "k8s.deployment.name",
    "k8s.statefulset.name",
    "k8s.daemonset.name",
    "k8s.job.name",
    "container.id",
    "container.name",
    "container.image.name",
    "process.executable.name",
    "process.pid",
};

// Collects labels up to a limit; a name that is there already does not count again.
class Collector {
 public:
  explicit Collector(size_t limit) : limit_(limit) {}

  // False if there was no room, or no way.
  bool Add(std::string_view name, std::string_view value, bool reserved_allowed) {
    std::string valid = ValidLabelName(name);
    if (valid.empty() || (!reserved_allowed && valid.starts_with("__"))) return false;
    if (labels_.size() >= limit_ || !names_.insert(valid).second) return false;
    labels_.emplace_back(std::move(valid), ValidLabelValue(value));
    return true;
  }

  Labels Finish() && {
    std::ranges::sort(labels_);
    return std::move(labels_);
  }

 private:
  size_t limit_;
  Labels labels_;
  absl::flat_hash_set<std::string> names_;
};

std::string ServiceName(const Profile& profile, profile::AttributeSetIndex resource, std::string_view service) {
  if (!service.empty()) return std::string(service);
  const auto text = [&](std::string_view key) {
    const auto* value = pprof::FindAttribute(profile, resource, key);
    return value == nullptr ? "" : pprof::ValueText(profile, *value);
  };
  if (std::string name = text(otlp::kServiceName); !name.empty()) return name;
  const std::string executable = text(otlp::kProcessExecutableName);
  return executable.empty() ? "unknown_service" : "unknown_service:" + executable;
}

}  // namespace

std::string ValidLabelName(std::string_view name) {
  std::string out;
  if (!name.empty() && name[0] >= '0' && name[0] <= '9') out += '_';
  for (const char c : name.substr(0, kMaxLabelName)) {
    const bool valid = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    out += valid ? c : '_';
  }
  out.resize(std::min(out.size(), kMaxLabelName));
  return out;
}

std::string_view ValidLabelValue(std::string_view value) {
  if (value.size() <= kMaxLabelValue) return value;
  size_t end = kMaxLabelValue;
  while (end > 0 && (static_cast<unsigned char>(value[end]) & 0xc0) == 0x80) --end;
  return value.substr(0, end);
}

bool BecomesLabel(const PyroscopeSettings& settings, std::string_view key) {
  return settings.labels.empty() || std::ranges::find(settings.labels, key) != settings.labels.end();
}

SeriesLabels MakeSeriesLabels(const Profile& profile, profile::AttributeSetIndex resource, std::string_view name,
                              std::string_view service, const PyroscopeSettings& settings, size_t max_labels) {
  SeriesLabels out;
  Collector collector(max_labels);
  collector.Add("__name__", name, true);
  collector.Add("service_name", ServiceName(profile, resource, service), true);
  for (const auto& [key, value] : settings.external_labels) {
    if (!value.empty() && !collector.Add(key, value, true)) ++out.cut;
  }
  const auto add = [&](std::string_view key, const profile::AttributeValue& value) {
    if (key == otlp::kServiceName || !BecomesLabel(settings, key)) return;
    const std::string text = pprof::ValueText(profile, value);
    if (!text.empty() && !collector.Add(key, text, false)) ++out.cut;
  };
  for (const std::string_view key : kEssential) {
    if (const auto* value = pprof::FindAttribute(profile, resource, key)) add(key, *value);
  }
  for (const profile::AttributeIndex index : profile.attribute_sets[resource].attributes) {
    const profile::Attribute& attribute = profile.attributes[index];
    const std::string& key = profile.strings[attribute.key];
    if (std::ranges::find(kEssential, key) == std::end(kEssential)) add(key, attribute.value);
  }
  out.labels = std::move(collector).Finish();
  return out;
}

}  // namespace kiln::exporters
