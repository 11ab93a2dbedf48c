// SPDX-License-Identifier: Apache-2.0
// Tables of keys that several exporters and extensions share.
#pragma once

#include <cstdint>
#include <string>

#include "agent/config/config.h"
#include "agent/config/fields.h"

namespace kiln::agent::config {

// tls: of a client.
void TlsClientFields(Fields& f, TlsClientSettings& tls);
// tls: of a server, for receivers that are not built; only checks.
void TlsServerFields(Fields& f);

enum class ClientKind : uint8_t { kGrpc, kHttp, kPyroscope };
// What a client takes beside each other: endpoint, tls, headers, compression, timeout, proxy_url, auth, and what the
// Collector knows besides. `authenticator` gets the id under auth; which settings it means is found out later.
void ClientFields(Fields& f, ClientKind kind, HttpClientSettings& client, std::string& authenticator);

// Checks the endpoint that was given: of gRPC host:port or http(s)://host[:port], else http(s)://host[:port][/path].
// "" if it is right, else what is wrong and how it should look.
std::string FaultOfEndpoint(ClientKind kind, std::string_view endpoint);

// retry_on_failure, sending_queue, max_request_bytes, max_request_items.
void ExportPathFields(Fields& f, pipeline::ExportPathSettings& path);

}  // namespace kiln::agent::config
