// SPDX-License-Identifier: Apache-2.0
#include "otlp/schema.h"

namespace kiln::otlp::schema {
namespace {

using enum Kind;
using enum Presence;

// Messages that refer to later ones, or to themselves by way of others.
extern const Message kAnyValue;

constexpr std::string_view kCommonPackage = "opentelemetry.proto.common.v1";

constexpr Field kArrayValueFields[] = {
    {1, "values", kMessage, kRepeated, &kAnyValue},
};
constexpr Message kArrayValue{"ArrayValue", kCommonPackage, kArrayValueFields};

constexpr Field kKeyValueFields[] = {
    {1, "key", kString},
    {2, "value", kMessage, kImplicit, &kAnyValue},
    {3, "key_strindex", kInt32},
};
constexpr Message kKeyValue{"KeyValue", kCommonPackage, kKeyValueFields};

constexpr Field kKeyValueListFields[] = {
    {1, "values", kMessage, kRepeated, &kKeyValue},
};
constexpr Message kKeyValueList{"KeyValueList", kCommonPackage, kKeyValueListFields};

constexpr Field kAnyValueFields[] = {
    {1, "string_value", kString, kOneof},
    {2, "bool_value", kBool, kOneof},
    {3, "int_value", kInt64, kOneof},
    {4, "double_value", kDouble, kOneof},
    {5, "array_value", kMessage, kOneof, &kArrayValue},
    {6, "kvlist_value", kMessage, kOneof, &kKeyValueList},
    {7, "bytes_value", kBytes, kOneof},
    {8, "string_value_strindex", kInt32, kOneof},
};
const Message kAnyValue{"AnyValue", kCommonPackage, kAnyValueFields};

constexpr Field kInstrumentationScopeFields[] = {
    {1, "name", kString},
    {2, "version", kString},
    {3, "attributes", kMessage, kRepeated, &kKeyValue},
    {4, "dropped_attributes_count", kUint32},
};
constexpr Message kInstrumentationScope{"InstrumentationScope", kCommonPackage, kInstrumentationScopeFields};

constexpr Field kEntityRefFields[] = {
    {1, "schema_url", kString},
    {2, "type", kString},
    {3, "id_keys", kString, kRepeated},
    {4, "description_keys", kString, kRepeated},
};
constexpr Message kEntityRef{"EntityRef", kCommonPackage, kEntityRefFields};

constexpr std::string_view kResourcePackage = "opentelemetry.proto.resource.v1";

constexpr Field kResourceFields[] = {
    {1, "attributes", kMessage, kRepeated, &kKeyValue},
    {2, "dropped_attributes_count", kUint32},
    {3, "entity_refs", kMessage, kRepeated, &kEntityRef},
};
constexpr Message kResource{"Resource", kResourcePackage, kResourceFields};

constexpr std::string_view kTracePackage = "opentelemetry.proto.trace.v1";

constexpr Field kSpanEventFields[] = {
    {1, "time_unix_nano", kFixed64},
    {2, "name", kString},
    {3, "attributes", kMessage, kRepeated, &kKeyValue},
    {4, "dropped_attributes_count", kUint32},
};
constexpr Message kSpanEvent{"Span.Event", kTracePackage, kSpanEventFields};

constexpr Field kSpanLinkFields[] = {
    {1, "trace_id", kId},
    {2, "span_id", kId},
    {3, "trace_state", kString},
    {4, "attributes", kMessage, kRepeated, &kKeyValue},
    {5, "dropped_attributes_count", kUint32},
    {6, "flags", kFixed32},
};
constexpr Message kSpanLink{"Span.Link", kTracePackage, kSpanLinkFields};

constexpr Field kStatusFields[] = {
    {2, "message", kString},
    {3, "code", kEnum},
};
constexpr Message kStatus{"Status", kTracePackage, kStatusFields};

constexpr Field kSpanFields[] = {
    {1, "trace_id", kId},
    {2, "span_id", kId},
    {3, "trace_state", kString},
    {4, "parent_span_id", kId},
    {5, "name", kString},
    {6, "kind", kEnum},
    {7, "start_time_unix_nano", kFixed64},
    {8, "end_time_unix_nano", kFixed64},
    {9, "attributes", kMessage, kRepeated, &kKeyValue},
    {10, "dropped_attributes_count", kUint32},
    {11, "events", kMessage, kRepeated, &kSpanEvent},
    {12, "dropped_events_count", kUint32},
    {13, "links", kMessage, kRepeated, &kSpanLink},
    {14, "dropped_links_count", kUint32},
    {15, "status", kMessage, kImplicit, &kStatus},
    {16, "flags", kFixed32},
};
constexpr Message kSpan{"Span", kTracePackage, kSpanFields};

constexpr Field kScopeSpansFields[] = {
    {1, "scope", kMessage, kImplicit, &kInstrumentationScope},
    {2, "spans", kMessage, kRepeated, &kSpan},
    {3, "schema_url", kString},
};
constexpr Message kScopeSpans{"ScopeSpans", kTracePackage, kScopeSpansFields};

constexpr Field kResourceSpansFields[] = {
    {1, "resource", kMessage, kImplicit, &kResource},
    {2, "scope_spans", kMessage, kRepeated, &kScopeSpans},
    {3, "schema_url", kString},
};
constexpr Message kResourceSpans{"ResourceSpans", kTracePackage, kResourceSpansFields};

constexpr Field kTracesDataFields[] = {
    {1, "resource_spans", kMessage, kRepeated, &kResourceSpans},
};
constexpr Message kTracesData{"TracesData", kTracePackage, kTracesDataFields};

constexpr std::string_view kMetricsPackage = "opentelemetry.proto.metrics.v1";

constexpr Field kExemplarFields[] = {
    {2, "time_unix_nano", kFixed64},
    {3, "as_double", kDouble, kOneof},
    {4, "span_id", kId},
    {5, "trace_id", kId},
    {6, "as_int", kSfixed64, kOneof},
    {7, "filtered_attributes", kMessage, kRepeated, &kKeyValue},
};
constexpr Message kExemplar{"Exemplar", kMetricsPackage, kExemplarFields};

constexpr Field kNumberDataPointFields[] = {
    {2, "start_time_unix_nano", kFixed64},
    {3, "time_unix_nano", kFixed64},
    {4, "as_double", kDouble, kOneof},
    {5, "exemplars", kMessage, kRepeated, &kExemplar},
    {6, "as_int", kSfixed64, kOneof},
    {7, "attributes", kMessage, kRepeated, &kKeyValue},
    {8, "flags", kUint32},
};
constexpr Message kNumberDataPoint{"NumberDataPoint", kMetricsPackage, kNumberDataPointFields};

constexpr Field kGaugeFields[] = {
    {1, "data_points", kMessage, kRepeated, &kNumberDataPoint},
};
constexpr Message kGauge{"Gauge", kMetricsPackage, kGaugeFields};

constexpr Field kSumFields[] = {
    {1, "data_points", kMessage, kRepeated, &kNumberDataPoint},
    {2, "aggregation_temporality", kEnum},
    {3, "is_monotonic", kBool},
};
constexpr Message kSum{"Sum", kMetricsPackage, kSumFields};

constexpr Field kHistogramDataPointFields[] = {
    {2, "start_time_unix_nano", kFixed64},
    {3, "time_unix_nano", kFixed64},
    {4, "count", kFixed64},
    {5, "sum", kDouble, kExplicit},
    {6, "bucket_counts", kFixed64, kRepeated},
    {7, "explicit_bounds", kDouble, kRepeated},
    {8, "exemplars", kMessage, kRepeated, &kExemplar},
    {9, "attributes", kMessage, kRepeated, &kKeyValue},
    {10, "flags", kUint32},
    {11, "min", kDouble, kExplicit},
    {12, "max", kDouble, kExplicit},
};
constexpr Message kHistogramDataPoint{"HistogramDataPoint", kMetricsPackage, kHistogramDataPointFields};

constexpr Field kHistogramFields[] = {
    {1, "data_points", kMessage, kRepeated, &kHistogramDataPoint},
    {2, "aggregation_temporality", kEnum},
};
constexpr Message kHistogram{"Histogram", kMetricsPackage, kHistogramFields};

constexpr Field kExponentialHistogramDataPointBucketsFields[] = {
    {1, "offset", kSint32},
    {2, "bucket_counts", kUint64, kRepeated},
};
constexpr Message kExponentialHistogramDataPointBuckets{"ExponentialHistogramDataPoint.Buckets", kMetricsPackage,
                                                        kExponentialHistogramDataPointBucketsFields};

constexpr Field kExponentialHistogramDataPointFields[] = {
    {1, "attributes", kMessage, kRepeated, &kKeyValue},
    {2, "start_time_unix_nano", kFixed64},
    {3, "time_unix_nano", kFixed64},
    {4, "count", kFixed64},
    {5, "sum", kDouble, kExplicit},
    {6, "scale", kSint32},
    {7, "zero_count", kFixed64},
    {8, "positive", kMessage, kImplicit, &kExponentialHistogramDataPointBuckets},
    {9, "negative", kMessage, kImplicit, &kExponentialHistogramDataPointBuckets},
    {10, "flags", kUint32},
    {11, "exemplars", kMessage, kRepeated, &kExemplar},
    {12, "min", kDouble, kExplicit},
    {13, "max", kDouble, kExplicit},
    {14, "zero_threshold", kDouble},
};
constexpr Message kExponentialHistogramDataPoint{"ExponentialHistogramDataPoint", kMetricsPackage,
                                                 kExponentialHistogramDataPointFields};

constexpr Field kExponentialHistogramFields[] = {
    {1, "data_points", kMessage, kRepeated, &kExponentialHistogramDataPoint},
    {2, "aggregation_temporality", kEnum},
};
constexpr Message kExponentialHistogram{"ExponentialHistogram", kMetricsPackage, kExponentialHistogramFields};

constexpr Field kSummaryDataPointValueAtQuantileFields[] = {
    {1, "quantile", kDouble},
    {2, "value", kDouble},
};
constexpr Message kSummaryDataPointValueAtQuantile{"SummaryDataPoint.ValueAtQuantile", kMetricsPackage,
                                                   kSummaryDataPointValueAtQuantileFields};

constexpr Field kSummaryDataPointFields[] = {
    {2, "start_time_unix_nano", kFixed64},
    {3, "time_unix_nano", kFixed64},
    {4, "count", kFixed64},
    {5, "sum", kDouble},
    {6, "quantile_values", kMessage, kRepeated, &kSummaryDataPointValueAtQuantile},
    {7, "attributes", kMessage, kRepeated, &kKeyValue},
    {8, "flags", kUint32},
};
constexpr Message kSummaryDataPoint{"SummaryDataPoint", kMetricsPackage, kSummaryDataPointFields};

constexpr Field kSummaryFields[] = {
    {1, "data_points", kMessage, kRepeated, &kSummaryDataPoint},
};
constexpr Message kSummary{"Summary", kMetricsPackage, kSummaryFields};

constexpr Field kMetricFields[] = {
    {1, "name", kString},
    {2, "description", kString},
    {3, "unit", kString},
    {5, "gauge", kMessage, kOneof, &kGauge},
    {7, "sum", kMessage, kOneof, &kSum},
    {9, "histogram", kMessage, kOneof, &kHistogram},
    {10, "exponential_histogram", kMessage, kOneof, &kExponentialHistogram},
    {11, "summary", kMessage, kOneof, &kSummary},
    {12, "metadata", kMessage, kRepeated, &kKeyValue},
};
constexpr Message kMetric{"Metric", kMetricsPackage, kMetricFields};

constexpr Field kScopeMetricsFields[] = {
    {1, "scope", kMessage, kImplicit, &kInstrumentationScope},
    {2, "metrics", kMessage, kRepeated, &kMetric},
    {3, "schema_url", kString},
};
constexpr Message kScopeMetrics{"ScopeMetrics", kMetricsPackage, kScopeMetricsFields};

constexpr Field kResourceMetricsFields[] = {
    {1, "resource", kMessage, kImplicit, &kResource},
    {2, "scope_metrics", kMessage, kRepeated, &kScopeMetrics},
    {3, "schema_url", kString},
};
constexpr Message kResourceMetrics{"ResourceMetrics", kMetricsPackage, kResourceMetricsFields};

constexpr Field kMetricsDataFields[] = {
    {1, "resource_metrics", kMessage, kRepeated, &kResourceMetrics},
};
constexpr Message kMetricsData{"MetricsData", kMetricsPackage, kMetricsDataFields};

constexpr std::string_view kLogsPackage = "opentelemetry.proto.logs.v1";

constexpr Field kLogRecordFields[] = {
    {1, "time_unix_nano", kFixed64},
    {2, "severity_number", kEnum},
    {3, "severity_text", kString},
    {5, "body", kMessage, kImplicit, &kAnyValue},
    {6, "attributes", kMessage, kRepeated, &kKeyValue},
    {7, "dropped_attributes_count", kUint32},
    {8, "flags", kFixed32},
    {9, "trace_id", kId},
    {10, "span_id", kId},
    {11, "observed_time_unix_nano", kFixed64},
    {12, "event_name", kString},
};
constexpr Message kLogRecord{"LogRecord", kLogsPackage, kLogRecordFields};

constexpr Field kScopeLogsFields[] = {
    {1, "scope", kMessage, kImplicit, &kInstrumentationScope},
    {2, "log_records", kMessage, kRepeated, &kLogRecord},
    {3, "schema_url", kString},
};
constexpr Message kScopeLogs{"ScopeLogs", kLogsPackage, kScopeLogsFields};

constexpr Field kResourceLogsFields[] = {
    {1, "resource", kMessage, kImplicit, &kResource},
    {2, "scope_logs", kMessage, kRepeated, &kScopeLogs},
    {3, "schema_url", kString},
};
constexpr Message kResourceLogs{"ResourceLogs", kLogsPackage, kResourceLogsFields};

constexpr Field kLogsDataFields[] = {
    {1, "resource_logs", kMessage, kRepeated, &kResourceLogs},
};
constexpr Message kLogsData{"LogsData", kLogsPackage, kLogsDataFields};

constexpr std::string_view kProfilesPackage = "opentelemetry.proto.profiles.v1development";

constexpr Field kMappingFields[] = {
    {1, "memory_start", kUint64},
    {2, "memory_limit", kUint64},
    {3, "file_offset", kUint64},
    {4, "filename_strindex", kInt32},
    {5, "attribute_indices", kInt32, kRepeated},
};
constexpr Message kMapping{"Mapping", kProfilesPackage, kMappingFields};

constexpr Field kLineFields[] = {
    {1, "function_index", kInt32},
    {2, "line", kInt64},
    {3, "column", kInt64},
};
constexpr Message kLine{"Line", kProfilesPackage, kLineFields};

constexpr Field kLocationFields[] = {
    {1, "mapping_index", kInt32},
    {2, "address", kUint64},
    {3, "lines", kMessage, kRepeated, &kLine},
    {4, "attribute_indices", kInt32, kRepeated},
};
constexpr Message kLocation{"Location", kProfilesPackage, kLocationFields};

constexpr Field kFunctionFields[] = {
    {1, "name_strindex", kInt32},
    {2, "system_name_strindex", kInt32},
    {3, "filename_strindex", kInt32},
    {4, "start_line", kInt64},
};
constexpr Message kFunction{"Function", kProfilesPackage, kFunctionFields};

constexpr Field kLinkFields[] = {
    {1, "trace_id", kId},
    {2, "span_id", kId},
};
constexpr Message kLink{"Link", kProfilesPackage, kLinkFields};

constexpr Field kKeyValueAndUnitFields[] = {
    {1, "key_strindex", kInt32},
    {2, "value", kMessage, kImplicit, &kAnyValue},
    {3, "unit_strindex", kInt32},
};
constexpr Message kKeyValueAndUnit{"KeyValueAndUnit", kProfilesPackage, kKeyValueAndUnitFields};

constexpr Field kStackFields[] = {
    {1, "location_indices", kInt32, kRepeated},
};
constexpr Message kStack{"Stack", kProfilesPackage, kStackFields};

constexpr Field kProfilesDictionaryFields[] = {
    {1, "mapping_table", kMessage, kRepeated, &kMapping},
    {2, "location_table", kMessage, kRepeated, &kLocation},
    {3, "function_table", kMessage, kRepeated, &kFunction},
    {4, "link_table", kMessage, kRepeated, &kLink},
    {5, "string_table", kString, kRepeated},
    {6, "attribute_table", kMessage, kRepeated, &kKeyValueAndUnit},
    {7, "stack_table", kMessage, kRepeated, &kStack},
};
constexpr Message kProfilesDictionary{"ProfilesDictionary", kProfilesPackage, kProfilesDictionaryFields};

constexpr Field kValueTypeFields[] = {
    {1, "type_strindex", kInt32},
    {2, "unit_strindex", kInt32},
};
constexpr Message kValueType{"ValueType", kProfilesPackage, kValueTypeFields};

constexpr Field kSampleFields[] = {
    {1, "stack_index", kInt32},       {2, "attribute_indices", kInt32, kRepeated},      {3, "link_index", kInt32},
    {4, "values", kInt64, kRepeated}, {5, "timestamps_unix_nano", kFixed64, kRepeated},
};
constexpr Message kSample{"Sample", kProfilesPackage, kSampleFields};

constexpr Field kProfileFields[] = {
    {1, "sample_type", kMessage, kImplicit, &kValueType},
    {2, "samples", kMessage, kRepeated, &kSample},
    {3, "time_unix_nano", kFixed64},
    {4, "duration_nano", kUint64},
    {5, "period_type", kMessage, kImplicit, &kValueType},
    {6, "period", kInt64},
    {7, "profile_id", kId},
    {8, "dropped_attributes_count", kUint32},
    {9, "original_payload_format", kString},
    {10, "original_payload", kBytes},
    {11, "attribute_indices", kInt32, kRepeated},
};
constexpr Message kProfile{"Profile", kProfilesPackage, kProfileFields};

constexpr Field kScopeProfilesFields[] = {
    {1, "scope", kMessage, kImplicit, &kInstrumentationScope},
    {2, "profiles", kMessage, kRepeated, &kProfile},
    {3, "schema_url", kString},
};
constexpr Message kScopeProfiles{"ScopeProfiles", kProfilesPackage, kScopeProfilesFields};

constexpr Field kResourceProfilesFields[] = {
    {1, "resource", kMessage, kImplicit, &kResource},
    {2, "scope_profiles", kMessage, kRepeated, &kScopeProfiles},
    {3, "schema_url", kString},
};
constexpr Message kResourceProfiles{"ResourceProfiles", kProfilesPackage, kResourceProfilesFields};

constexpr Field kProfilesDataFields[] = {
    {1, "resource_profiles", kMessage, kRepeated, &kResourceProfiles},
    {2, "dictionary", kMessage, kImplicit, &kProfilesDictionary},
};
constexpr Message kProfilesData{"ProfilesData", kProfilesPackage, kProfilesDataFields};

constexpr const Message* kAllMessages[] = {
    &kArrayValue,
    &kKeyValue,
    &kKeyValueList,
    &kAnyValue,
    &kInstrumentationScope,
    &kEntityRef,
    &kResource,
    &kSpanEvent,
    &kSpanLink,
    &kStatus,
    &kSpan,
    &kScopeSpans,
    &kResourceSpans,
    &kTracesData,
    &kExemplar,
    &kNumberDataPoint,
    &kGauge,
    &kSum,
    &kHistogramDataPoint,
    &kHistogram,
    &kExponentialHistogramDataPointBuckets,
    &kExponentialHistogramDataPoint,
    &kExponentialHistogram,
    &kSummaryDataPointValueAtQuantile,
    &kSummaryDataPoint,
    &kSummary,
    &kMetric,
    &kScopeMetrics,
    &kResourceMetrics,
    &kMetricsData,
    &kLogRecord,
    &kScopeLogs,
    &kResourceLogs,
    &kLogsData,
    &kMapping,
    &kLine,
    &kLocation,
    &kFunction,
    &kLink,
    &kKeyValueAndUnit,
    &kStack,
    &kProfilesDictionary,
    &kValueType,
    &kSample,
    &kProfile,
    &kScopeProfiles,
    &kResourceProfiles,
    &kProfilesData,
};

}  // namespace

const Message kExportTraceServiceRequest{"ExportTraceServiceRequest", "opentelemetry.proto.collector.trace.v1",
                                         kTracesDataFields};
const Message kExportMetricsServiceRequest{"ExportMetricsServiceRequest", "opentelemetry.proto.collector.metrics.v1",
                                           kMetricsDataFields};
const Message kExportLogsServiceRequest{"ExportLogsServiceRequest", "opentelemetry.proto.collector.logs.v1",
                                        kLogsDataFields};
const Message kExportProfilesServiceRequest{
    "ExportProfilesServiceRequest", "opentelemetry.proto.collector.profiles.v1development", kProfilesDataFields};

std::span<const Message* const> AllMessages() { return kAllMessages; }

}  // namespace kiln::otlp::schema
