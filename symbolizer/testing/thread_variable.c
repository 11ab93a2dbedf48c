/* SPDX-License-Identifier: Apache-2.0
 * A library with an exported thread-local variable, built in each way that compilers offer (thread_variable_test.cc).
 */
__thread long kiln_test_before[5] = {1};
__thread const void* kiln_test_variable;

const void* kiln_test_read(void);
const void* kiln_test_read(void) { return kiln_test_before[0] != 0 ? kiln_test_variable : 0; }
