// SPDX-License-Identifier: Apache-2.0
// The box beside the pointer.

const GAP = 14;

export class Tooltip {
  constructor(element) {
    this.element = element;
    this.key = null;
  }

  // `key` says what is shown; `make` builds the content and is called only when that changes.
  show(key, make, x, y) {
    if (key !== this.key) {
      this.key = key;
      this.element.replaceChildren(...make());
      this.element.hidden = false;
      const box = this.element.getBoundingClientRect();
      this.width = box.width;
      this.height = box.height;
    }
    const right = x + GAP + this.width > innerWidth - 8;
    const left = right ? Math.max(8, x - GAP - this.width) : x + GAP;
    const below = y + GAP + this.height <= innerHeight - 8;
    const top = below ? y + GAP : Math.max(8, y - GAP - this.height);
    this.element.style.transform = `translate(${Math.round(left)}px,${Math.round(top)}px)`;
  }

  hide() {
    if (this.key === null) return;
    this.key = null;
    this.element.hidden = true;
  }
}
