// SPDX-License-Identifier: Apache-2.0
// Draws the visible part of a tree on a canvas. Per level it starts at the first node in view (found by bisection) and
// ends at the last. What is narrower than half a pixel is not drawn one by one: neighbours join into one pale bar.
import { shortNames } from './names.js';
import { depthOf, firstEndingAfter } from './tree.js';

export const ROW = 20;
const FONT = '12px system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif';
const PADDING = 5;
const MIN_LABEL = 24;
const MIN_FRAME = 0.5;

// How a frame is shown.
const PLAIN = 0;
const FAINT = 1; // not what is searched for
const MATCH = 2;
const VEILED = 3; // an ancestor of what is in focus

const labelForms = new Map(); // name -> [{ text, width }], widest first
let labelContext = null;

function measure(ctx, text) {
  return ctx.measureText(text).width;
}

// The longest form of a name that fits into `room` pixels; '' if none is worth it.
export function fitLabel(ctx, name, room) {
  if (labelContext !== ctx) labelForms.clear();
  labelContext = ctx;
  let forms = labelForms.get(name);
  if (!forms) {
    forms = shortNames(name).map((text) => ({ text, width: measure(ctx, text) }));
    labelForms.set(name, forms);
  }
  for (const { text, width } of forms) {
    if (width <= room) return text;
  }
  const { text, width } = forms.at(-1);
  let low = 0;
  let high = Math.min(text.length - 1, Math.ceil((2 * room * text.length) / width));
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (measure(ctx, text.slice(0, middle) + '…') <= room) low = middle;
    else high = middle - 1;
  }
  return low >= 2 ? text.slice(0, low) + '…' : '';
}

// Top edge of a level on the canvas.
export function levelTop(scene, level) {
  const row = level - scene.firstLevel;
  return (scene.flip ? scene.contentHeight - (row + 1) * ROW : row * ROW) - scene.scrollTop;
}

// The level whose row is at `y` of the canvas; may lie outside of the tree.
export function levelAt(scene, y) {
  const fromTop = y + scene.scrollTop;
  return scene.firstLevel + Math.floor((scene.flip ? scene.contentHeight - fromTop : fromTop) / ROW);
}

function modeOf(scene, node) {
  const fn = scene.tree.func[node];
  if (scene.matched) return fn >= 0 && scene.matched[fn] ? MATCH : FAINT;
  if (scene.kind && (fn < 0 || scene.functions[fn].kind !== scene.kind)) return FAINT;
  const start = scene.tree.start[node];
  const width = scene.tree.total[node];
  const covers = start <= scene.from && start + width >= scene.to;
  return covers && width > (scene.to - scene.from) * 1.0001 ? VEILED : PLAIN;
}

// scene: { tree, functions, colors, theme, width, height, ratio (device pixels per pixel), from, to, contentHeight,
// scrollTop, firstLevel, flip, matched, kind, selected, hovered, rootLabel }
export function paint(ctx, scene) {
  const { tree, theme, width, height } = scene;
  ctx.fillStyle = theme.paper;
  ctx.globalAlpha = 1;
  ctx.fillRect(0, 0, width, height);
  ctx.font = FONT;
  ctx.textBaseline = 'middle';
  const edges = [levelAt(scene, 0), levelAt(scene, height)].sort((a, b) => a - b);
  const last = Math.min(depthOf(tree) - 1, edges[1]);
  const labels = [];
  for (let level = Math.max(scene.firstLevel, edges[0]); level <= last; level++) paintLevel(ctx, scene, level, labels);
  if (scene.hovered >= 0)
    paintFrame(scene, scene.hovered, (x, y, w) => {
      ctx.globalAlpha = 1;
      ctx.fillStyle = theme.hover;
      ctx.fillRect(x, y, w, ROW - 1);
    });
  paintLabels(ctx, scene, labels);
  if (scene.selected >= 0)
    paintFrame(scene, scene.selected, (x, y, w) => {
      ctx.globalAlpha = 1;
      ctx.strokeStyle = theme.outline;
      ctx.lineWidth = 2;
      ctx.strokeRect(x + 1, y + 1, Math.max(1, w - 2), ROW - 3);
    });
}

// Calls draw(x, y, width) with the visible part of a frame.
export function paintFrame(scene, node, draw) {
  const scale = scene.width / (scene.to - scene.from);
  const x = Math.max(0, (scene.tree.start[node] - scene.from) * scale);
  const end = Math.min(scene.width, (scene.tree.start[node] + scene.tree.total[node] - scene.from) * scale);
  if (end > x) draw(x, levelTop(scene, scene.tree.depth[node]), end - x);
}

function paintLevel(ctx, scene, level, labels) {
  const { tree, theme, colors, width, from, to, ratio } = scene;
  const scale = width / (to - from);
  const snap = (x) => Math.round(x * ratio) / ratio;
  const y = levelTop(scene, level);
  const end = tree.levelOffsets[level + 1];
  let lastX = -1;
  const dust = { from: 0, to: -1, match: false };
  const blowDust = () => {
    if (dust.to - dust.from >= MIN_FRAME) {
      ctx.globalAlpha = dust.match ? 0.6 : 1;
      ctx.fillStyle = dust.match ? theme.match : theme.dust;
      ctx.fillRect(dust.from, y, dust.to - dust.from, ROW - 1);
    }
    dust.to = -1;
    dust.match = false;
  };
  for (let at = firstEndingAfter(tree, level, from); at < end; at++) {
    const node = tree.levels[at];
    const left = (tree.start[node] - from) * scale;
    if (left >= width) break;
    const right = left + tree.total[node] * scale;
    if (right - left < MIN_FRAME) {
      if (dust.to < 0 || left - dust.to > MIN_FRAME) {
        blowDust();
        dust.from = Math.max(0, left);
      }
      dust.to = right;
      if (scene.matched && scene.matched[tree.func[node]]) dust.match = true;
      continue;
    }
    const mode = modeOf(scene, node);
    const x = snap(Math.max(0, left));
    const visible = snap(Math.min(width, right)) - x;
    if (visible < 1 / ratio && x === lastX && mode !== MATCH) continue; // another one has this pixel
    lastX = x;
    ctx.globalAlpha = mode === FAINT ? theme.dim : mode === VEILED ? theme.veil : 1;
    ctx.fillStyle = mode === MATCH ? theme.match : tree.func[node] < 0 ? theme.root : colors[tree.func[node]];
    ctx.fillRect(x, y, Math.max(1 / ratio, visible - (visible > 8 ? 1 : visible > 3 ? 0.5 : 0)), ROW - 1);
    if (visible >= MIN_LABEL) labels.push({ node, mode, x, y, width: visible });
  }
  blowDust();
}

function paintLabels(ctx, scene, labels) {
  const { tree, theme, functions } = scene;
  ctx.globalAlpha = 1;
  for (const { node, mode, x, y, width } of labels) {
    const fn = tree.func[node];
    const text = fitLabel(ctx, fn < 0 ? scene.rootLabel : functions[fn].name, width - 2 * PADDING + 2);
    if (text === '') continue;
    ctx.fillStyle = mode === MATCH ? theme.matchText : mode === PLAIN ? theme.text : theme.textDim;
    ctx.fillText(text, x + PADDING, y + ROW / 2);
  }
}
