/* SPDX-License-Identifier: Apache-2.0 */
/*
 * usage: load_sampler
 * Has the kernel check the sampler's programs with every option on, so that no branch is left out as dead code, and
 * prints what each cost the verifier (verifier_cost.h). Exit status 0 if all were accepted.
 */
#include <stdio.h>
#include <string.h>

#include "bpf/wire.h"
#include "sampler.skel.h"
#include "tests/vm/verifier_cost.h"

int main(void) {
  struct sampler* sampler = sampler__open();
  struct kiln_config* config;
  int error;

  if (!sampler || ask_for_verifier_cost(sampler->obj)) {
    fprintf(stderr, "load_sampler: cannot open the sampler: %m\n");
    return 1;
  }
  config = (struct kiln_config*)&sampler->rodata->config;
  *config = (struct kiln_config){
      .filter_pids = 1,
      .filter_comm = 1,
      .cgroup_count = 1,
      .kernel_stacks = 1,
      .ring_count = 1,
      .ring_bytes = 1 << 20,
      .kernel_frames = KILN_MAX_KERNEL_FRAMES,
  };
  error = sampler__load(sampler);
  print_verifier_cost(sampler->obj);
  if (error) fprintf(stderr, "load_sampler: %s\n", strerror(-error));
  sampler__destroy(sampler);
  return error != 0;
}
