// SPDX-License-Identifier: Apache-2.0
// Which part of a flame graph's width is in view: [from, to) in the unit of the weights, with a way back.

const GLIDE_MS = 180;
const MIN_SHARE = 1e-9; // of the whole: the deepest zoom

export class Camera {
  constructor(onChange) {
    this.onChange = onChange;
    this.home(1);
  }

  // Shows the whole of a new tree and forgets the way.
  home(total) {
    this.total = Math.max(total, Number.MIN_VALUE);
    this.from = 0;
    this.to = this.total;
    this.target = { from: 0, to: this.total, node: 0 };
    this.past = [];
    this.glide = null;
  }

  get canGoBack() {
    return this.past.length > 0;
  }

  // Shows a node and remembers where the view was.
  visit(from, to, node) {
    if (this.target.from === from && this.target.to === to) return false;
    this.past.push(this.target);
    this.moveTo({ from, to, node });
    return true;
  }

  back() {
    if (this.past.length > 0) this.moveTo(this.past.pop());
  }

  reset() {
    if (this.target.from === 0 && this.target.to === this.total) return;
    this.past = [];
    this.moveTo({ from: 0, to: this.total, node: 0 });
  }

  // Free zoom around `centre`, free pan: no steps of their own on the way back, but the first leads back to the focus.
  zoomBy(factor, centre) {
    const width = Math.min(this.total, Math.max(this.total * MIN_SHARE, (this.to - this.from) * factor));
    const share = (centre - this.from) / (this.to - this.from);
    this.roam(centre - share * width, width);
  }

  panBy(distance) {
    this.roam(this.from + distance, this.to - this.from);
  }

  roam(from, width) {
    const clamped = Math.min(Math.max(0, from), this.total - width);
    if (!this.target.free) this.past.push(this.target);
    this.glide = null;
    this.target = { from: clamped, to: clamped + width, node: 0, free: true };
    if (width >= this.total) this.home(this.total);
    this.from = this.target.from;
    this.to = this.target.to;
    this.onChange();
  }

  moveTo(target) {
    this.target = target;
    const still = matchMedia('(prefers-reduced-motion: reduce)').matches;
    this.glide = still ? null : { from: this.from, to: this.to, begin: performance.now() };
    if (still) {
      this.from = target.from;
      this.to = target.to;
    }
    this.onChange();
  }

  // Moves along the glide; true while it is under way. Called once per picture.
  advance(now) {
    if (!this.glide) return false;
    const t = Math.min(1, Math.max(0, (now - this.glide.begin) / GLIDE_MS));
    const eased = 1 - (1 - t) ** 3;
    this.from = this.glide.from + (this.target.from - this.glide.from) * eased;
    this.to = this.glide.to + (this.target.to - this.glide.to) * eased;
    if (t < 1) return true;
    this.glide = null;
    return false;
  }
}
