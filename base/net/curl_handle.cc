// SPDX-License-Identifier: Apache-2.0
#include "base/net/curl_handle.h"

#include <cstdlib>

#include "base/clock.h"
#include "base/net/http2_session.h"

namespace kiln {
namespace {

constexpr size_t kMaxIdle = 32;
// Servers close idle connections after a minute or more; below that, reuse mostly succeeds.
constexpr uint64_t kMaxIdleNs = 90'000'000'000;

}  // namespace

CurlHandle::CurlHandle(std::shared_ptr<const TlsMaterial> material, bool http2)
    : material_(std::move(material)), http2_(http2), multi_(curl_multi_init()), easy_(curl_easy_init()) {
  if (multi_ == nullptr || easy_ == nullptr) std::abort();  // out of memory
}

CurlHandle::~CurlHandle() {
  curl_multi_remove_handle(multi_, easy_);
  curl_easy_cleanup(easy_);
  curl_multi_cleanup(multi_);
}

void CurlHandle::StartSession() { session_ = std::make_unique<Http2Session>(); }

std::unique_ptr<CurlHandle> CurlPool::Acquire(const TlsMaterial& material, bool http2) {
  std::vector<std::unique_ptr<CurlHandle>> closed;  // after the lock: it may take a while
  std::unique_ptr<CurlHandle> found;
  {
    const std::lock_guard lock(mutex_);
    const uint64_t now_ns = MonotonicNs();
    std::vector<std::unique_ptr<CurlHandle>> kept;
    for (auto& handle : idle_) {
      const bool usable =
          handle->material_->generation == material.generation && now_ns - handle->idle_since_ns_ < kMaxIdleNs;
      (usable ? kept : closed).push_back(std::move(handle));
    }
    idle_ = std::move(kept);
    for (auto handle = idle_.rbegin(); handle != idle_.rend(); ++handle) {
      if ((*handle)->http2_ != http2) continue;
      found = std::move(*handle);
      idle_.erase(std::next(handle).base());
      break;
    }
  }
  return found;
}

void CurlPool::Release(std::unique_ptr<CurlHandle> handle) {
  const std::lock_guard lock(mutex_);
  if (idle_.size() >= kMaxIdle) return;
  handle->idle_since_ns_ = MonotonicNs();
  idle_.push_back(std::move(handle));
}

}  // namespace kiln
