// SPDX-License-Identifier: Apache-2.0
// A flame graph in an element: canvas, pointer, selection. The canvas has the size of what is visible and sticks to the
// top of a scroll box whose inner height is that of the whole graph, so depth costs nothing.
import { el } from './dom.js';
import { Camera } from './camera.js';
import { ROW, levelAt, levelTop, paint, paintFrame } from './painter.js';
import { depthOf, firstEndingAfter, nodeAt } from './tree.js';

const DRAG_PX = 4;
const PAPER = { width: 1300, shape: 1.75, pixels: 40e6 }; // least width, width to height, most pixels of a printed graph

export class FlameGraph {
  // events: point(graph, node or -1, x, y) for the tooltip, open(fn) for the sandwich view, change() after a move.
  constructor(host, { flip, outwards = false, showRoot = true, label, events }) {
    this.events = events;
    this.outwards = outwards;
    this.canvas = el('canvas', { tabindex: 0, role: 'application', 'aria-label': label });
    this.space = el('div', { class: 'graph-space' }, this.canvas);
    this.box = el('div', { class: 'graph' }, this.space);
    host.append(this.box);
    this.ctx = this.canvas.getContext('2d', { alpha: false });
    this.camera = new Camera(() => this.changed());
    this.scene = {
      tree: null,
      flip,
      firstLevel: showRoot ? 0 : 1,
      matched: null,
      kind: null,
      selected: -1,
      hovered: -1,
      functions: [],
      colors: [],
      theme: null,
      rootLabel: '',
      scrollTop: 0,
      contentHeight: 0,
      width: 0,
      height: 0,
      ratio: 1,
    };
    this.pending = false;
    this.drawTimes = [];
    new ResizeObserver(() => this.resize()).observe(this.box);
    this.listen();
  }

  // scene members that only change the look: functions, colors, theme, rootLabel, matched, kind
  setLook(look) {
    Object.assign(this.scene, look);
    this.redraw();
  }

  setTree(tree) {
    Object.assign(this.scene, { tree, selected: -1, hovered: -1 });
    this.camera.home(tree.total[0]);
    this.resize(true);
  }

  setFlip(flip) {
    this.scene.flip = flip;
    this.resize(true);
  }

  get rows() {
    return depthOf(this.scene.tree) - this.scene.firstLevel;
  }

  resize(toRoot = false) {
    const { scene, box } = this;
    if (!scene.tree || box.clientWidth === 0 || this.printing) return;
    const below = scene.contentHeight - box.scrollTop - scene.height;
    scene.contentHeight = Math.max(this.rows * ROW + 4, box.clientHeight);
    this.space.style.height = `${scene.contentHeight}px`;
    if (toRoot) box.scrollTop = scene.flip ? scene.contentHeight : 0;
    else if (scene.flip) box.scrollTop = scene.contentHeight - box.clientHeight - below;
    this.sizeCanvas(box.clientWidth, box.clientHeight, devicePixelRatio || 1);
    // At once: sizing a canvas clears it to black, which the next frame may already show.
    this.draw();
  }

  sizeCanvas(width, height, ratio) {
    Object.assign(this.scene, { width, height, ratio });
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(height * ratio);
    this.canvas.style.width = this.printing ? '' : `${width}px`;
    this.canvas.style.height = this.printing ? '' : `${height}px`;
  }

  redraw() {
    if (this.pending || this.printing) return;
    this.pending = true;
    requestAnimationFrame((now) => {
      this.pending = false;
      if (this.camera.advance(now)) this.redraw();
      this.draw();
    });
  }

  draw() {
    const { scene, camera } = this;
    if (!scene.tree || scene.width === 0) return;
    const begin = performance.now();
    scene.from = camera.from;
    scene.to = camera.to;
    if (!this.printing) scene.scrollTop = this.box.scrollTop;
    this.ctx.setTransform(scene.ratio, 0, 0, scene.ratio, 0, 0);
    paint(this.ctx, scene);
    this.drawTimes.push(performance.now() - begin);
    if (this.drawTimes.length > 200) this.drawTimes.shift();
  }

  // The whole height on one canvas, for paper. A browser moves a picture that is taller than a page to the next one, so
  // the canvas is as wide as it must be to fit into `share` of a page.
  setPrinting(printing, share = 1) {
    if (!this.scene.tree) return;
    this.printing = printing;
    if (printing) {
      this.space.style.height = '';
      const height = this.rows * ROW;
      const width = Math.max(PAPER.width, (height * PAPER.shape) / share);
      Object.assign(this.scene, { contentHeight: height, scrollTop: 0 });
      this.sizeCanvas(width, height, Math.min(2, Math.sqrt(PAPER.pixels / (width * height))));
      this.draw();
    } else {
      this.resize();
    }
  }

  changed() {
    this.redraw();
    this.events.change();
  }

  // --- moving ---

  // Fills the width with a node; its ancestors stay above it.
  focus(node) {
    const { tree } = this.scene;
    return this.camera.visit(tree.start[node], tree.start[node] + tree.total[node], node);
  }

  // Selects a node, brings it into view and shows what it is.
  select(node) {
    const { scene, camera, box } = this;
    const { tree } = scene;
    scene.selected = node;
    const { from, to } = camera.target;
    const scale = scene.width / (to - from);
    const hidden = tree.start[node] + tree.total[node] <= from || tree.start[node] >= to;
    if (hidden || tree.total[node] * scale < 3) {
      const parent = Math.max(0, tree.parent[node]);
      this.focus(tree.total[node] * 50 < tree.total[parent] ? node : parent);
    }
    const top = levelTop(scene, tree.depth[node]);
    if (top < 0) box.scrollTop += top - ROW;
    if (top + ROW > scene.height) box.scrollTop += top + 2 * ROW - scene.height;
    scene.scrollTop = box.scrollTop;
    this.redraw();
    const rect = this.canvas.getBoundingClientRect();
    const settled = { ...scene, from: camera.target.from, to: camera.target.to };
    paintFrame(settled, node, (x, y) => this.events.point(this, node, rect.left + x + 12, rect.top + y + ROW - 8));
  }

  // direction: 'in' to the heaviest child, 'out' to the parent, 'left' and 'right' along the level.
  step(direction) {
    const { tree, selected, firstLevel } = this.scene;
    if (selected < 0) {
      this.select(Math.max(this.camera.target.node, firstLevel > 0 ? (tree.levels[tree.levelOffsets[1]] ?? 0) : 0));
      return;
    }
    const depth = tree.depth[selected];
    let next = -1;
    if (direction === 'in' && tree.childOffsets[selected + 1] > tree.childOffsets[selected]) {
      next = tree.children[tree.childOffsets[selected]];
    } else if (direction === 'out' && depth > firstLevel) {
      next = tree.parent[selected];
    } else if (direction === 'left' || direction === 'right') {
      const at = firstEndingAfter(tree, depth, tree.start[selected]) + (direction === 'left' ? -1 : 1);
      if (at >= tree.levelOffsets[depth] && at < tree.levelOffsets[depth + 1]) next = tree.levels[at];
    }
    if (next >= 0) this.select(next);
  }

  zoom(factor) {
    const { tree, selected } = this.scene;
    const { from, to } = this.camera;
    const middle = selected >= 0 ? tree.start[selected] + tree.total[selected] / 2 : -1;
    this.camera.zoomBy(factor, middle > from && middle < to ? middle : (from + to) / 2);
  }

  // --- pointer ---

  nodeUnder(event) {
    const { scene, camera, canvas } = this;
    if (!scene.tree || scene.width === 0) return -1;
    const rect = canvas.getBoundingClientRect();
    const level = levelAt(scene, event.clientY - rect.top);
    if (level < scene.firstLevel) return -1;
    return nodeAt(scene.tree, level, this.positionOf(event.clientX - rect.left, camera));
  }

  positionOf(x, { from, to }) {
    return from + (x / this.scene.width) * (to - from);
  }

  hover(node) {
    if (node !== this.scene.hovered) {
      this.scene.hovered = node;
      this.canvas.style.cursor = node >= 0 ? 'pointer' : '';
      this.redraw();
    }
  }

  listen() {
    const { canvas, camera } = this;
    let press = null; // { x, dragged }
    let lastClick = { node: -1, moved: false };
    this.box.addEventListener(
      'scroll',
      () => {
        this.events.point(this, -1);
        this.redraw();
      },
      { passive: true },
    );
    canvas.addEventListener('pointerdown', (event) => {
      if (event.button === 0) press = { x: event.clientX, dragged: false };
    });
    canvas.addEventListener('pointermove', (event) => {
      if (press && event.buttons & 1) {
        const distance = event.clientX - press.x;
        if (!press.dragged && Math.abs(distance) < DRAG_PX) return;
        if (!press.dragged) canvas.setPointerCapture(event.pointerId);
        press.dragged = true;
        press.x = event.clientX;
        this.events.point(this, -1);
        if (camera.to - camera.from < camera.total)
          camera.panBy((-distance / this.scene.width) * (camera.to - camera.from));
        return;
      }
      const node = this.nodeUnder(event);
      this.hover(node);
      this.events.point(this, node, event.clientX, event.clientY);
    });
    canvas.addEventListener('pointerleave', () => {
      this.hover(-1);
      this.events.point(this, -1);
    });
    canvas.addEventListener('click', (event) => {
      if (press?.dragged) return;
      press = null;
      // The second click of a double click meets the frame that the first one moved.
      if (event.detail > 1) return;
      const node = this.nodeUnder(event);
      lastClick = { node, moved: false };
      if (node < 0) return;
      this.scene.selected = node;
      lastClick.moved = this.focus(node);
      this.redraw();
    });
    canvas.addEventListener('dblclick', () => {
      if (lastClick.moved) camera.back();
      this.openNode(lastClick.node);
    });
    canvas.addEventListener('contextmenu', (event) => {
      event.preventDefault();
      this.openNode(event.button === 2 ? this.nodeUnder(event) : this.scene.selected);
    });
    canvas.addEventListener(
      'wheel',
      (event) => {
        if (event.ctrlKey || event.metaKey) {
          event.preventDefault();
          const x = event.clientX - canvas.getBoundingClientRect().left;
          camera.zoomBy(Math.exp(Math.max(-50, Math.min(50, event.deltaY)) * 0.01), this.positionOf(x, camera));
        } else if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
          if (camera.to - camera.from >= camera.total) return;
          event.preventDefault();
          const distance = event.deltaX || event.deltaY;
          camera.panBy((distance / this.scene.width) * (camera.to - camera.from));
        }
      },
      { passive: false },
    );
  }

  openNode(node) {
    if (node > 0) this.events.open(this.scene.tree.func[node]);
  }

  openSelected() {
    const { selected, hovered } = this.scene;
    this.openNode(selected >= 0 ? selected : hovered);
  }
}
