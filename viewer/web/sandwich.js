// SPDX-License-Identifier: Apache-2.0
// The two halves of a sandwich: who calls a function and what it calls, over all places where it appears.
//
// Each stack takes part once, cut at the outermost call of the function: what lies above are its callers, what lies
// below (calls of itself included) its callees. So both halves have the function's total as their width.
import { buildTree, sortSequences } from './tree.js';

// Place of the outermost `fn` in the row's sequence, or -1.
function outermost({ offsets, items }, row, fn) {
  for (let i = offsets[row]; i < offsets[row + 1]; i++) {
    if (items[i] === fn) return i;
  }
  return -1;
}

// Both trees start with the function at depth 1. Callers grow outwards, callees inwards.
export function sandwichTrees(sequences, weights, fn) {
  const rows = [];
  const places = [];
  for (let row = 0; row + 1 < sequences.offsets.length; row++) {
    if (!(weights[row] > 0)) continue;
    const place = outermost(sequences, row, fn);
    if (place < 0) continue;
    rows.push(row);
    places.push(place);
  }
  const half = (lengthOf, step) => {
    const offsets = new Int32Array(rows.length + 1);
    rows.forEach((row, i) => {
      offsets[i + 1] = offsets[i] + lengthOf(row, places[i]);
    });
    const items = new Int32Array(offsets[rows.length]);
    const frames = new Int32Array(items.length);
    const rowWeights = new Float64Array(rows.length);
    rows.forEach((row, i) => {
      rowWeights[i] = weights[row];
      for (let at = offsets[i], from = places[i]; at < offsets[i + 1]; at++, from += step) {
        items[at] = sequences.items[from];
        frames[at] = sequences.frames[from];
      }
    });
    const part = { offsets, items, frames };
    return buildTree(part, sortSequences(part), rowWeights);
  };
  return {
    callers: half((row, place) => place - sequences.offsets[row] + 1, -1),
    callees: half((row, place) => sequences.offsets[row + 1] - place, 1),
  };
}

// The source lines on which a function was met, heaviest first: [{ line, self, total }]. A line counts once per stack.
export function linesOf(model, weights, fn) {
  const { stack } = model.rows;
  const { offsets, frames } = model.stacks;
  const lines = new Map();
  for (let row = 0; row < stack.length; row++) {
    if (!(weights[row] > 0)) continue;
    const end = offsets[stack[row] + 1];
    for (let i = offsets[stack[row]]; i < end; i++) {
      if (model.frames.function[frames[i]] !== fn) continue;
      const line = model.frames.line[frames[i]];
      if (line === 0) continue;
      let entry = lines.get(line);
      if (!entry) lines.set(line, (entry = { line, self: 0, total: 0, lastRow: -1 }));
      if (entry.lastRow !== row) entry.total += weights[row];
      entry.lastRow = row;
      if (i === end - 1) entry.self += weights[row];
    }
  }
  return [...lines.values()]
    .map(({ line, self, total }) => ({ line, self, total }))
    .sort((a, b) => b.total - a.total || a.line - b.line);
}
