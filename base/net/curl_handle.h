// SPDX-License-Identifier: Apache-2.0
// libcurl's handles, and a pool that keeps their connections open between requests.
#pragma once

#include <curl/curl.h>

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "base/net/tls_material.h"

namespace kiln {

class Http2Session;

// One transfer at a time, with the connections (in practice one), name look-ups and TLS sessions that earlier transfers
// left behind. Thread-compatible, but for Wake.
class CurlHandle {
 public:
  // `material` is what all its connections are made with; `http2` whether they speak HTTP/2 only.
  CurlHandle(std::shared_ptr<const TlsMaterial> material, bool http2);
  ~CurlHandle();
  CurlHandle(const CurlHandle&) = delete;
  CurlHandle& operator=(const CurlHandle&) = delete;

  CURL* easy() { return easy_; }
  CURLM* multi() { return multi_; }
  const TlsMaterial& material() const { return *material_; }
  bool http2() const { return http2_; }

  // HTTP/2: the session on the connection that the easy handle has.
  bool has_session() const { return session_ != nullptr; }
  Http2Session& session() { return *session_; }
  void StartSession();

  // Makes a wait for the network in another thread return. Thread-safe.
  void Wake() { curl_multi_wakeup(multi_); }

 private:
  friend class CurlPool;
  const std::shared_ptr<const TlsMaterial> material_;
  const bool http2_;
  // A multi handle of its own instead of curl_easy_perform: its wait can be ended from outside.
  CURLM* multi_;
  CURL* easy_;
  std::unique_ptr<Http2Session> session_;
  uint64_t idle_since_ns_ = 0;
};

// Idle handles. Latest first, so that the fewest connections stay in use. Thread-safe.
class CurlPool {
 public:
  // An idle handle of this state of the certificates, nullptr if there is none. Idle ones of other states are closed.
  std::unique_ptr<CurlHandle> Acquire(const TlsMaterial& material, bool http2);
  // Takes a handle back after its transfer.
  void Release(std::unique_ptr<CurlHandle> handle);

 private:
  std::mutex mutex_;
  std::vector<std::unique_ptr<CurlHandle>> idle_;
};

}  // namespace kiln
