/* SPDX-License-Identifier: Apache-2.0 */
/* burn <- bottom <- 50 x descend <- main, in frames of different sizes, one of them larger than a page. */
#include "tests/vm/arm64/burn.h"

static BURNS unsigned long bottom(void) {
  volatile char large[9000];

  large[0] = 1;
  return burn_long() + large[0];
}

static BURNS unsigned long descend(int frames) {
  volatile char room[48];
  unsigned long state;

  room[0] = (char)frames;
  state = frames > 1 ? descend(frames - 1) : bottom();
  AFTER_CALL();
  return state + room[0];
}

int main(void) {
  unsigned long state = descend(50);

  AFTER_CALL();
  return state == 0;
}
