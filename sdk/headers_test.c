/* SPDX-License-Identifier: Apache-2.0
 * Compiled as C11, with all that a strict service might ask: that it compiles is the test. */
#include <kiln/process_context.h>
#include <kiln/thread_context.h>

int kiln_headers_compile_as_c(void);
int kiln_headers_compile_as_c(void) {
  struct kiln_context_record record;
  const struct kiln_attribute service = {"service.name", "checkout"};
  kiln_context_record_init(&record, NULL, NULL, 0);
  (void)kiln_context_attach(kiln_context_attach(&record));
  return kiln_context_record_set(&record, kiln_attribute_key("http.route"), "/", 1) +
         kiln_process_context_publish(&service, 1, KILN_PUBLISH_IN_CHILDREN);
}
