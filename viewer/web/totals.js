// SPDX-License-Identifier: Apache-2.0
// Self and total per function, and weight per kind.

// A function counts once per stack however often it stands in it, so total never exceeds the whole under recursion.
// Returns { self, total }, one value per function.
export function functionTotals(model, weights) {
  const { stack } = model.rows;
  const { offsets, frames } = model.stacks;
  const self = new Float64Array(model.functions.length);
  const total = new Float64Array(model.functions.length);
  const seenInRow = new Int32Array(model.functions.length).fill(-1);
  for (let row = 0; row < stack.length; row++) {
    const weight = weights[row];
    if (!(weight > 0)) continue;
    const end = offsets[stack[row] + 1];
    let fn = -1;
    for (let i = offsets[stack[row]]; i < end; i++) {
      fn = model.frames.function[frames[i]];
      if (seenInRow[fn] === row) continue;
      seenInRow[fn] = row;
      total[fn] += weight;
    }
    if (fn >= 0) self[fn] += weight;
  }
  return { self, total };
}

// Map of kind -> self weight, for the kinds that appear at all. The mark of a cut stack runs no code: it counts with its
// total, the weight of the stacks that were cut.
export function weightByKind(model, { self, total }) {
  const kinds = new Map();
  for (let fn = 0; fn < model.groupStart; fn++) {
    const { kind } = model.functions[fn];
    if (total[fn] > 0) kinds.set(kind, (kinds.get(kind) ?? 0) + (kind === 'truncated' ? total : self)[fn]);
  }
  return kinds;
}

// The functions that appear, sorted. `column`: self, total, name or module; ties by total, then by name.
export function sortedFunctions(model, totals, column, ascending, matched) {
  const list = [];
  for (let fn = 0; fn < model.groupStart; fn++) {
    if (totals.total[fn] > 0 && (!matched || matched[fn])) list.push(fn);
  }
  const text = (a, b) => (a < b ? -1 : a > b ? 1 : 0);
  const name = (a, b) => text(model.functions[a].name, model.functions[b].name);
  const compare = {
    self: (a, b) => totals.self[a] - totals.self[b],
    total: (a, b) => totals.total[a] - totals.total[b],
    name,
    module: (a, b) => text(model.functions[a].module, model.functions[b].module),
  }[column];
  const sign = ascending ? 1 : -1;
  return list.sort((a, b) => sign * compare(a, b) || totals.total[b] - totals.total[a] || name(a, b));
}
