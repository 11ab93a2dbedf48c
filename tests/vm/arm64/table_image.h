/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file in which unwind tables for the arm64 test programs come to the emulated machine. Writer:
 * make_table_image.cc, on the host. Reader: tables.c, in the runner. C11 and C++20, little endian.
 *
 *     struct table_image  struct table_image_file[file_count]  u8 values[value_count][KILN_VALUE_BYTES]
 *
 * The values are table memory from its first value on (bpf/unwind_table.h): directories and pages, referred to by
 * code ranges. The first value is empty: the runner keeps processes and their ranges there.
 */
#pragma once

#include "bpf/unwind_table.h"

#define TABLE_IMAGE_MAGIC "KILNTAB1"

enum {
  TABLE_IMAGE_MAX_FILES = 32,
  TABLE_IMAGE_MAX_RANGES = 4,
  TABLE_IMAGE_NAME_BYTES = 48,
};

struct table_image {
  char magic[8];
  __u32 file_count;
  __u32 value_count;
};

struct table_image_file {
  char name[TABLE_IMAGE_NAME_BYTES]; /* of the program; "[vdso]" for the kernel's */
  __u32 range_count;
  __u32 reserved;
  /* Ascending, in ELF addresses: of programs they are process addresses too, the vDSO's have to be moved. */
  struct kiln_code_range ranges[TABLE_IMAGE_MAX_RANGES];
};
