/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many instructions the kernel's verifier walked through to accept each program of an object. Kernels since 5.16
 * tell it by bpf_prog_info, all from 5.2 on in the log, which is what is read here.
 */
#pragma once

#include <bpf/libbpf.h>

/* Before loading: gives each program of the object a log with statistics only. 0 on success. */
int ask_for_verifier_cost(struct bpf_object* object);

/*
 * After loading: a line "verifier PROGRAM INSTRUCTIONS" for each program, "verifier PROGRAM refused" with the end of
 * its log if the kernel did not take it, "verifier PROGRAM unknown" if it said nothing. Frees the logs.
 */
void print_verifier_cost(struct bpf_object* object);
