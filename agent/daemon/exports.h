// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <absl/time/time.h>

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "agent/config/config.h"
#include "agent/telemetry/status.h"
#include "base/metrics.h"
#include "pipeline/clock.h"
#include "pipeline/export_path.h"
#include "pipeline/fan_out.h"

namespace kiln::agent {

// All exporters that pipelines of the configuration name, with the ways to them, as one consumer of profiles. A reload
// touches only what is different: an exporter that stays keeps its queue, its connections and its back-off.
//
// Consume and the readers are thread-safe; Apply, Tick and Shutdown on one thread.
class Exports : public pipeline::Consumer {
 public:
  struct Options {
    pipeline::NoticeSink notify;                         // what an operator should hear
    std::function<void(std::string_view)> debug_output;  // of exporters of type debug
    int max_consumers = 1000;                            // of each exporter, whatever its configuration says
  };
  // All must outlive the object.
  Exports(Options options, pipeline::Clock& clock, MetricRegistry& metrics);
  ~Exports() override;

  // Makes it what `config` asks for. On an error, which names the exporter, all is as it was.
  Status Apply(const config::AgentConfig& config);
  // Now and then: ends the ways that were replaced, once they have sent what they had or had their time.
  void Tick();

  Status Consume(pipeline::BatchPtr batch) override;

  // One last attempt at all that waits, for `grace` at most. Idempotent.
  void Shutdown(absl::Duration grace);

  std::vector<ExporterStatus> ExporterRows() const;
  std::vector<QueueRow> QueueRows() const;

 private:
  // An exporter with its way.
  struct Way {
    std::string id;
    config::ExporterConfig config;
    std::optional<pipeline::FileStorageSettings> storage;
    std::unique_ptr<pipeline::Exporter> exporter;
    std::unique_ptr<pipeline::ExportPath> path;  // dies before the exporter
  };
  using WayPtr = std::shared_ptr<Way>;
  // What batches go to, as a whole: who consumes keeps it until the batch is handed over.
  struct Route {
    std::vector<WayPtr> ways;
    std::unique_ptr<pipeline::FanOut> fan_out;
  };
  struct Retiring {
    WayPtr way;
    absl::Duration deadline;  // monotonic
  };

  StatusOr<WayPtr> MakeWay(const std::string& id, const config::AgentConfig& config) const;
  Status OpenPath(Way& way) const;
  void TakeBack(const std::vector<WayPtr>& replaced, const std::vector<WayPtr>& added, Status& status);
  void SetHandover(bool on);
  void SetRoute(std::map<std::string, WayPtr> ways);
  std::shared_ptr<const Route> RouteForBatch();
  std::shared_ptr<const Route> route() const;

  const Options options_;
  pipeline::Clock& clock_;
  MetricRegistry& metrics_;
  std::map<std::string, WayPtr> ways_;  // by id
  std::vector<Retiring> retiring_;
  mutable std::mutex mutex_;
  std::condition_variable handed_over_;
  bool handover_ = false;                                                 // under mutex_: batches are to wait
  std::shared_ptr<const Route> route_ = std::make_shared<const Route>();  // under mutex_
};

}  // namespace kiln::agent
