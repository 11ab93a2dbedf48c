// SPDX-License-Identifier: Apache-2.0
// Names of systemd's units (systemd.unit(5)) as names of services.
#pragma once

#include <string>
#include <string_view>

namespace kiln::agent::identity {

// `name` is a unit of type service that stands for a program somebody runs: not the service manager of a user
// (user@1000.service), which only holds others. A leading "_", by which systemd escapes names of cgroups, is allowed.
bool IsServiceUnit(std::string_view name);

// \xHH decoded; what is no such escape stays.
std::string UnescapeUnit(std::string_view name);

// What people call the service: "nginx.service" -> "nginx", instances by their template ("worker@7.service" ->
// "worker"), escapes decoded, D-Bus activated ones by their bus name. Empty where the name was made up for one run
// (systemd-run's run-u17.service) and for what is no service unit.
std::string ServiceNameOfUnit(std::string_view unit);

}  // namespace kiln::agent::identity
