// SPDX-License-Identifier: Apache-2.0
// The library that `linkage` calls.
int tiny_a(int number);
int tiny_b(int number);

int tiny_a(int number) { return number + 1; }
int tiny_b(int number) { return number ^ 1; }
