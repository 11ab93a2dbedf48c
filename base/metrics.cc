// SPDX-License-Identifier: Apache-2.0
#include "base/metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace kiln {
namespace {

// Of a label's value; of a help text without the quotes.
void AppendEscaped(std::string_view text, bool quotes, std::string& out) {
  for (const char c : text) {
    if (c == '\n') {
      out += "\\n";
    } else {
      if (c == '\\' || (quotes && c == '"')) out += '\\';
      out += c;
    }
  }
}

std::string Number(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  return fmt::format("{}", value);
}

}  // namespace

void MetricRegistry::Registration::Reset() {
  if (registry_ == nullptr) return;
  const std::lock_guard lock(registry_->mutex_);
  for (auto& [name, family] : registry_->families_) {
    for (auto& [labels, series] : family.series) series.callbacks.erase(id_);
  }
  registry_ = nullptr;
}

MetricRegistry::Series& MetricRegistry::FindSeries(MetricKind kind, std::string_view name, std::string_view help,
                                                   MetricLabels labels) {
  std::ranges::sort(labels);
  auto family = families_.find(name);
  if (family == families_.end()) {
    family = families_.emplace(std::string(name), Family{.kind = kind, .help = std::string(help), .series = {}}).first;
  }
  return family->second.series[std::move(labels)];
}

Counter& MetricRegistry::GetCounter(std::string_view name, std::string_view help, MetricLabels labels) {
  const std::lock_guard lock(mutex_);
  Series& series = FindSeries(MetricKind::kCounter, name, help, std::move(labels));
  if (series.counter == nullptr) series.counter = std::make_unique<Counter>();
  return *series.counter;
}

Gauge& MetricRegistry::GetGauge(std::string_view name, std::string_view help, MetricLabels labels) {
  const std::lock_guard lock(mutex_);
  Series& series = FindSeries(MetricKind::kGauge, name, help, std::move(labels));
  if (series.gauge == nullptr) series.gauge = std::make_unique<Gauge>();
  return *series.gauge;
}

MetricRegistry::Registration MetricRegistry::AddCallback(MetricKind kind, std::string_view name, std::string_view help,
                                                         MetricLabels labels, std::function<double()> read) {
  const std::lock_guard lock(mutex_);
  Series& series = FindSeries(kind, name, help, std::move(labels));
  Registration registration;
  registration.registry_ = this;
  registration.id_ = ++last_id_;
  series.callbacks.emplace(registration.id_, std::move(read));
  return registration;
}

std::string MetricRegistry::RenderPrometheus() const {
  const std::lock_guard lock(mutex_);
  std::string out;
  for (const auto& [name, family] : families_) {
    std::string lines;
    for (const auto& [labels, series] : family.series) {
      if (series.counter == nullptr && series.gauge == nullptr && series.callbacks.empty()) continue;
      double value = 0;
      if (series.counter != nullptr) value += static_cast<double>(series.counter->value());
      if (series.gauge != nullptr) value += series.gauge->value();
      for (const auto& [id, read] : series.callbacks) value += read();
      lines += name;
      for (size_t i = 0; i < labels.size(); ++i) {
        lines += fmt::format("{}{}=\"", i == 0 ? '{' : ',', labels[i].first);
        AppendEscaped(labels[i].second, true, lines);
        lines += '"';
      }
      lines += fmt::format("{} {}\n", labels.empty() ? "" : "}", Number(value));
    }
    if (lines.empty()) continue;
    out += fmt::format("# HELP {} ", name);
    AppendEscaped(family.help, false, out);
    out += fmt::format("\n# TYPE {} {}\n", name, family.kind == MetricKind::kCounter ? "counter" : "gauge");
    out += lines;
  }
  return out;
}

}  // namespace kiln
