/* SPDX-License-Identifier: Apache-2.0 */
/* Loads kiln's sampler for arm64 and hands on what it samples. One recording, one thread. */
#pragma once

#include "bpf/wire.h"

struct sampler;

/*
 * Loads the programs, prints the verifier's costs (verifier_cost.h) and begins to sample every CPU at 997 Hz. NULL on
 * failure, after a line that says why.
 */
struct sampler* sampling_start(void);

/* A sample; `words` are the kernel's and then the user's, as wire.h says. `identity` is NULL if none was sent. */
typedef void (*sample_handler)(void* context, const struct kiln_identity* identity, const struct kiln_sample* sample,
                               const __u64* words);

/* Registers of a stack that the kernel side could not walk; its sample follows, and has the same time. */
typedef void (*stack_handler)(void* context, const struct kiln_stack* stack);

/* Calls the handlers for all that the kernel has delivered by now. 0 on success. */
int sampling_drain(sample_handler handle_sample, stack_handler handle_stack, void* context);

/* Prints the counters that are not zero: a line "counter NAME VALUE" for each. */
void sampling_print_counters(const struct sampler* sampler);
