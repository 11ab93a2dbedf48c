// SPDX-License-Identifier: Apache-2.0
// Exporter "pyroscope": pushes to Grafana Pyroscope by push.v1, its own way in (Alloy's too), where series have free
// names and labels; over OTLP only CPU and off-CPU profiles would get the names that its UI knows.
//
// At least once: when an attempt fails, Pyroscope may have stored some of its series already, and the next attempt
// stores them again. It does not take what is older than an hour.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "base/clock.h"
#include "base/net/http_client.h"
#include "exporters/pyroscope_series.h"
#include "exporters/settings.h"
#include "pipeline/exporter.h"

namespace kiln::exporters {

// Thread-safe. Only for profiles: batches of other signals are kPermanent.
class PyroscopeExporter : public pipeline::Exporter {
 public:
  // `unix_nano` is the wall clock; it must be thread-safe.
  PyroscopeExporter(PyroscopeSettings settings, std::unique_ptr<HttpTransport> transport, PyroscopeLimits limits = {},
                    std::function<int64_t()> unix_nano = UnixNs);

  // One POST per batch; none if the batch has no samples. A delivered batch may come with a message about labels that
  // were cut, and with samples (of negative value) that Pyroscope does not take as rejected_items.
  pipeline::ExportResult Export(const pipeline::Batch& batch, absl::Duration timeout) override;
  void Cancel() override { transport_->Cancel(); }

 private:
  const PyroscopeSettings settings_;
  const std::unique_ptr<HttpTransport> transport_;
  const PyroscopeLimits limits_;
  const std::function<int64_t()> unix_nano_;
  std::string url_;
};

}  // namespace kiln::exporters
