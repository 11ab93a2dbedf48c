/* SPDX-License-Identifier: Apache-2.0 */
/* Fills the sampler's table memory from a file (table_image.h) and tells it about processes. One thread. */
#pragma once

#include "bpf/wire.h"

struct sampler;

/* Loads the file. 0 on success, otherwise after a line that says why. */
int tables_load(struct sampler* sampler, const char* path);

/*
 * Tells the sampler which code lies where in process `pid`, which runs the program `name`: the program's ranges and the
 * vDSO's. What names the process' state comes from its first sample. 0 on success.
 */
int tables_publish(struct sampler* sampler, const char* name, __u32 pid, __u64 start_ns,
                   const struct kiln_stack* stack);

/* Takes it back. */
void tables_forget(struct sampler* sampler, __u32 pid);
