// SPDX-License-Identifier: Apache-2.0
// The numbers that a long-running kiln tells about itself. Whoever counts asks the registry for a Counter or a Gauge
// once and keeps the reference; adding to it is one relaxed atomic. Numbers that lie elsewhere (a queue's length, CPU
// time) are asked for when they are rendered. Rendered in Prometheus' text format.
//
// Names and labels follow Prometheus' rules; a counter's name ends in _total. Units are in the name, in base units:
// _seconds, _bytes. A family (one name) has one kind and one help text.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace kiln {

// Sorted by key when rendered. Values may be any UTF-8.
using MetricLabels = std::vector<std::pair<std::string, std::string>>;

// Only grows. Thread-safe.
class Counter {
 public:
  void Add(int64_t count = 1) { value_.fetch_add(count, std::memory_order_relaxed); }
  int64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<int64_t> value_ = 0;
};

// The latest value. Thread-safe.
class Gauge {
 public:
  void Set(double value) { value_.store(value, std::memory_order_relaxed); }
  double value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<double> value_ = 0;
};

enum class MetricKind : uint8_t { kCounter, kGauge };

// Thread-safe.
class MetricRegistry {
 public:
  MetricRegistry() = default;
  MetricRegistry(const MetricRegistry&) = delete;
  MetricRegistry& operator=(const MetricRegistry&) = delete;

  // The counter (gauge) of this name and these labels, made at the first call; it lives as long as the registry, so a
  // component that goes and comes back (a reload) counts on.
  Counter& GetCounter(std::string_view name, std::string_view help, MetricLabels labels = {});
  Gauge& GetGauge(std::string_view name, std::string_view help, MetricLabels labels = {});

  // Ends the asking when it dies. The registry must outlive it.
  class Registration {
   public:
    Registration() = default;
    Registration(Registration&& other) noexcept : registry_(std::exchange(other.registry_, nullptr)), id_(other.id_) {}
    Registration& operator=(Registration&& other) noexcept {
      Reset();
      registry_ = std::exchange(other.registry_, nullptr);
      id_ = other.id_;
      return *this;
    }
    ~Registration() { Reset(); }
    void Reset();

   private:
    friend class MetricRegistry;
    MetricRegistry* registry_ = nullptr;
    uint64_t id_ = 0;
  };
  // `read` is called while rendering, on the renderer's thread; it must not call the registry. Once the registration
  // has died no call is under way.
  [[nodiscard]] Registration AddCallback(MetricKind kind, std::string_view name, std::string_view help,
                                         MetricLabels labels, std::function<double()> read);

  // Families by name, series by labels: https://prometheus.io/docs/instrumenting/exposition_formats/ (version 0.0.4).
  std::string RenderPrometheus() const;

 private:
  struct Series {
    std::unique_ptr<Counter> counter;
    std::unique_ptr<Gauge> gauge;
    std::map<uint64_t, std::function<double()>> callbacks;  // summed up
  };
  struct Family {
    MetricKind kind;
    std::string help;
    std::map<MetricLabels, Series> series;
  };
  Series& FindSeries(MetricKind kind, std::string_view name, std::string_view help, MetricLabels labels);

  mutable std::mutex mutex_;
  std::map<std::string, Family, std::less<>> families_;
  uint64_t last_id_ = 0;
};

}  // namespace kiln
