// SPDX-License-Identifier: Apache-2.0
// What TLS connections of a client are made with, kept up to date with the files that it comes from.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/net/cipher_names.h"
#include "base/net/settings.h"
#include "base/net/watched_file.h"
#include "base/status.h"

namespace kiln {

// One state of the files. Immutable.
struct TlsMaterial {
  uint64_t generation = 0;        // another one for each other content
  std::string ca_pem;             // "" = the system's
  std::string cert_pem, key_pem;  // both or none
  CipherLists ciphers;
  bool min_tls13 = false;
  bool max_tls12 = false;
  bool skip_verify = false;
  std::string server_name_override;
};

// Thread-safe.
class TlsSource {
 public:
  // Reads and checks all files. kInvalidArgument and the errors of reading name the setting and the file.
  static StatusOr<std::unique_ptr<TlsSource>> Make(const TlsClientSettings& settings);

  struct State {
    // Shared: connections of several threads are made with it while a newer one may already be there.
    std::shared_ptr<const TlsMaterial> material;
    Status reload;  // why files that changed could not be used; `material` is then that before the change
  };
  // Reads files that changed. New certificates are used from here on if all of them can be read and fit to each other,
  // so that one who replaces certificate and key one after the other disturbs nobody.
  State Current();

 private:
  explicit TlsSource(const TlsClientSettings& settings);
  // What the files say now, if it differs from `material_`.
  Status Reload();

  const TlsClientSettings settings_;
  TlsMaterial fixed_;  // all that does not come from files
  std::mutex mutex_;
  std::optional<WatchedFile> ca_, cert_, key_;
  std::shared_ptr<const TlsMaterial> material_;
  Status reload_;
  uint64_t last_look_ns_ = 0;
};

}  // namespace kiln
