// SPDX-License-Identifier: Apache-2.0
// Components of the Collector that kiln knows by name only. Their keys are not looked at.
#include <array>

#include "agent/config/components.h"

namespace kiln::agent::config {
namespace {

constexpr ComponentType Receiver(std::string_view type) {
  return {.kind = ComponentKind::kReceiver, .type = type, .unbuilt = "kiln has no receiver of this type yet"};
}
constexpr ComponentType Processor(std::string_view type) {
  return {.kind = ComponentKind::kProcessor, .type = type, .unbuilt = "kiln has no processor of this type yet"};
}
constexpr ComponentType Exporter(std::string_view type) {
  return {.kind = ComponentKind::kExporter, .type = type, .unbuilt = "kiln has no exporter of this type yet"};
}
constexpr ComponentType Connector(std::string_view type) {
  return {.kind = ComponentKind::kConnector, .type = type, .unbuilt = "kiln has no connectors yet"};
}
constexpr ComponentType Extension(std::string_view type) {
  return {.kind = ComponentKind::kExtension, .type = type, .unbuilt = "kiln has no extension of this type yet"};
}

}  // namespace

std::span<const ComponentType> OtherUnbuiltTypes() {
  static const auto types = std::to_array<ComponentType>({
      Receiver("prometheus"),
      Receiver("hostmetrics"),
      Receiver("filelog"),
      Receiver("journald"),
      Receiver("kubeletstats"),
      Receiver("k8s_cluster"),
      Receiver("k8sobjects"),
      Receiver("k8s_events"),
      Receiver("jaeger"),
      Receiver("zipkin"),
      Receiver("statsd"),
      Receiver("syslog"),
      Receiver("kafka"),
      Receiver("docker_stats"),
      Receiver("fluentforward"),
      Receiver("nop"),
      Processor("tail_sampling"),
      Processor("attributes"),
      Processor("resource"),
      Processor("transform"),
      Processor("filter"),
      Processor("k8sattributes"),
      Processor("resourcedetection"),
      Processor("span"),
      Processor("groupbyattrs"),
      Processor("groupbytrace"),
      Processor("metricstransform"),
      Processor("cumulativetodelta"),
      Processor("redaction"),
      Processor("interval"),
      Processor("queuebatch"),
      Exporter("kafka"),
      Exporter("loadbalancing"),
      Exporter("prometheusremotewrite"),
      Exporter("prometheus"),
      Exporter("zipkin"),
      Exporter("loki"),
      Exporter("elasticsearch"),
      Exporter("clickhouse"),
      Exporter("splunk_hec"),
      Exporter("datadog"),
      Exporter("logging"),
      Exporter("nats"),
      Exporter("nop"),
      Connector("spanmetrics"),
      Connector("servicegraph"),
      Connector("routing"),
      Connector("count"),
      Connector("forward"),
      Connector("failover"),
      Connector("exceptions"),
      Connector("roundrobin"),
      Extension("opamp"),
      Extension("zpages"),
      Extension("pprof"),
      Extension("healthcheckv2"),
      Extension("headers_setter"),
      Extension("sigv4auth"),
      Extension("oidc"),
      Extension("k8s_observer"),
      Extension("host_observer"),
      Extension("memory_limiter"),
      Extension("redis_storage"),
      Extension("db_storage"),
  });
  return types;
}

}  // namespace kiln::agent::config
