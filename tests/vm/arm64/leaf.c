/* SPDX-License-Identifier: Apache-2.0 */
/* burn <- middle <- main: the leaf has no frame, its return address is in LR only. */
#include "tests/vm/arm64/burn.h"

static BURNS unsigned long middle(void) {
  unsigned long state = burn_long();

  AFTER_CALL();
  return state;
}

int main(void) {
  unsigned long state = middle();

  AFTER_CALL();
  return state == 0;
}
