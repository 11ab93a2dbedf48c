// SPDX-License-Identifier: Apache-2.0
#include "pipeline/fan_out.h"

namespace kiln::pipeline {
namespace {

bool MayRetry(const Status& status) {
  return status.code() == absl::StatusCode::kResourceExhausted || status.code() == absl::StatusCode::kUnavailable;
}

}  // namespace

Status FanOut::Consume(BatchPtr batch) {
  Status refusal = absl::FailedPreconditionError("there is no exporter");
  bool taken = false;
  for (Consumer* consumer : consumers_) {
    Status status = consumer->Consume(batch);
    if (status.ok()) {
      taken = true;
    } else if (!MayRetry(refusal)) {
      refusal = std::move(status);
    }
  }
  return taken ? absl::OkStatus() : refusal;
}

}  // namespace kiln::pipeline
