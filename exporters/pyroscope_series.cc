// SPDX-License-Identifier: Apache-2.0
#include "exporters/pyroscope_series.h"

#include <absl/container/flat_hash_map.h>

#include <algorithm>
#include <map>
#include <memory>

#include "exporters/pprof_piece.h"
#include "exporters/pyroscope_types.h"
#include "otlp/semconv.h"
#include "pprof/labels.h"
#include "pprof/pprof.h"

namespace kiln::exporters {
namespace {

using profile::AttributeSetIndex;
using profile::Profile;
using profile::StringIndex;

// How much room among the labels of a series is left to those of samples, if they need it.
constexpr size_t kRoomForSampleLabels = 10;
// What a pprof file takes beside samples and what they refer to: types, times, the empty string.
constexpr size_t kPprofHead = 512;

// What a set of sample attributes means for Pyroscope.
struct SampleAttributes {
  Labels labels;        // valid and sorted
  std::string service;  // of the attribute service.name
};

class BatchMaker {
 public:
  BatchMaker(const Profile& profile, const PyroscopeSettings& settings, int64_t fallback_time,
             const PyroscopeLimits& limits)
      : p_(profile),
        settings_(settings),
        time_(profile.time_unix_nano != 0 ? profile.time_unix_nano : fallback_time),
        limits_(limits) {
    for (uint32_t i = 0; i < p_.attribute_sets.size(); ++i) attributes_.push_back(Read(AttributeSetIndex(i)));
    size_t most = 0;
    for (const profile::Sample& sample : p_.samples) most = std::max(most, AttributesOf(sample).labels.size());
    max_series_labels_ = kMaxLabels - std::min(most, kRoomForSampleLabels);
  }

  PyroscopeBatch Run() && {
    for (const PyroscopeKind& kind : PyroscopeKinds(p_)) AddKind(kind);
    return std::move(batch_);
  }

 private:
  struct Series {
    Labels labels;
    std::unique_ptr<PprofPiece> piece;
    size_t bytes = 0;  // of the piece, at most
  };

  const SampleAttributes& AttributesOf(const profile::Sample& sample) const {
    return attributes_[sample.key.attributes.value()];
  }

  SampleAttributes Read(AttributeSetIndex set) const {
    SampleAttributes out;
    for (const profile::AttributeIndex index : p_.attribute_sets[set].attributes) {
      const profile::Attribute& attribute = p_.attributes[index];
      const auto* text = std::get_if<StringIndex>(&attribute.value);
      if (text == nullptr || text->value() == 0) continue;
      const std::string& key = p_.strings[attribute.key];
      if (key == otlp::kServiceName) out.service = p_.strings[*text];
      std::string name = ValidLabelName(key);
      // Those two are for links.
      if (key == otlp::kServiceName || name.starts_with("__") || name == pprof::kTraceId || name == pprof::kSpanId ||
          !BecomesLabel(settings_, key)) {
        continue;
      }
      const auto same = [&](const auto& label) { return label.first == name; };
      if (std::ranges::any_of(out.labels, same)) continue;
      out.labels.emplace_back(std::move(name), ValidLabelValue(p_.strings[*text]));
    }
    std::ranges::sort(out.labels);
    return out;
  }

  void AddKind(const PyroscopeKind& kind) {
    std::map<std::pair<AttributeSetIndex, std::string_view>, Series*> by_resource;
    std::map<Labels, std::unique_ptr<Series>> by_labels;
    std::vector<Series*> order;
    std::vector<int64_t> values(kind.columns.size());
    for (const profile::Sample& sample : p_.samples) {
      for (size_t i = 0; i < values.size(); ++i) values[i] = sample.values[kind.columns[i].index];
      if (std::ranges::any_of(values, [](int64_t value) { return value < 0; })) {
        ++batch_.negative_samples;
        continue;
      }
      if (std::ranges::all_of(values, [](int64_t value) { return value == 0; })) continue;
      const std::string_view service = AttributesOf(sample).service;
      const auto [entry, added] = by_resource.try_emplace({sample.key.resource, service}, nullptr);
      if (added) {
        SeriesLabels labels =
            MakeSeriesLabels(p_, sample.key.resource, kind.name, service, settings_, max_series_labels_);
        batch_.cut_labels += labels.cut;
        std::unique_ptr<Series>& series = by_labels[labels.labels];
        if (series == nullptr) {
          series = std::make_unique<Series>(Series{std::move(labels.labels), nullptr, 0});
          order.push_back(series.get());
        }
        entry->second = series.get();
      }
      AddSample(kind, sample, values, *entry->second);
    }
    for (Series* series : order) Finish(*series);
  }

  void AddSample(const PyroscopeKind& kind, const profile::Sample& sample, const std::vector<int64_t>& values,
                 Series& series) {
    // Pyroscope makes them labels of a series of its own, beside the others.
    const Labels& all = AttributesOf(sample).labels;
    const PprofPiece::TextLabels labels(all.data(), std::min(all.size(), kMaxLabels - series.labels.size()));
    size_t cost = series.piece == nullptr ? 0 : series.piece->Cost(sample, labels, values);
    if (series.piece != nullptr &&
        (series.piece->samples() >= limits_.max_samples || series.bytes + cost > limits_.max_bytes)) {
      Finish(series);
    }
    if (series.piece == nullptr) {
      Start(kind, series);
      cost = series.piece->Cost(sample, labels, values);
    }
    series.bytes += cost;
    series.piece->Add(sample, labels, values);
    if (labels.size() < all.size()) batch_.cut_labels += static_cast<int64_t>(all.size() - labels.size());
  }

  void Start(const PyroscopeKind& kind, Series& series) {
    series.piece = std::make_unique<PprofPiece>(p_);
    series.bytes = kPprofHead;
    profile::ProfileBuilder& b = series.piece->builder();
    std::vector<profile::ValueType> types;
    for (const PyroscopeKind::Column& column : kind.columns) types.push_back(b.Type(column.type, column.unit));
    b.SetSampleTypes(std::move(types));
    b.SetPeriod(b.Type(kind.period_type, kind.period_unit), kind.period);
    b.SetTime(time_, p_.duration_nano);
  }

  void Finish(Series& series) {
    if (series.piece == nullptr) return;
    batch_.series.push_back({series.labels, pprof::EncodePprof(series.piece->builder().profile())});
    series.piece = nullptr;
  }

  const Profile& p_;
  const PyroscopeSettings& settings_;
  const int64_t time_;
  const PyroscopeLimits limits_;
  std::vector<SampleAttributes> attributes_;  // by attribute set
  size_t max_series_labels_ = kMaxLabels;
  PyroscopeBatch batch_;
};

}  // namespace

PyroscopeBatch MakePyroscopeBatch(const Profile& profile, const PyroscopeSettings& settings,
                                  int64_t fallback_time_unix_nano, const PyroscopeLimits& limits) {
  return BatchMaker(profile, settings, fallback_time_unix_nano, limits).Run();
}

}  // namespace kiln::exporters
