// SPDX-License-Identifier: Apache-2.0
// Looks at certificates and keys before libcurl gets them: its own messages about them name neither file nor reason.
#pragma once

#include <string_view>

#include "base/status.h"

namespace kiln {

// kInvalidArgument if `pem` holds no certificate, or one that can't be read. `name` says where it came from.
Status CheckCertificates(std::string_view pem, std::string_view name);

// kInvalidArgument if `key_pem` is no unencrypted private key, or not that of the first certificate of `cert_pem`.
// Messages never show any part of the key.
Status CheckKeyPair(std::string_view cert_pem, std::string_view cert_name, std::string_view key_pem,
                    std::string_view key_name);

}  // namespace kiln
