// SPDX-License-Identifier: Apache-2.0
// The tree of a flame graph, as columns.
//
// The sequences are sorted once; then equal beginnings lie side by side, and the tree is one pass that compares each
// sequence with the one before. A node covers a run of the sorted rows, so what it is made of (its lines) can be found
// later, when someone points at it.

// The order of the sequences: row numbers, sorted item by item, a prefix before what it begins.
export function sortSequences({ offsets, items }) {
  const order = new Int32Array(offsets.length - 1);
  for (let row = 0; row < order.length; row++) order[row] = row;
  return order.sort((a, b) => {
    let i = offsets[a];
    let k = offsets[b];
    const endA = offsets[a + 1];
    const endB = offsets[b + 1];
    while (i < endA && k < endB) {
      const difference = items[i++] - items[k++];
      if (difference !== 0) return difference;
    }
    return endA - i - (endB - k);
  });
}

// Nodes are numbered with parents before children; node 0 is the root, which holds all rows and has function -1.
// Returns columns func, parent, depth, total, self, rowFrom, rowTo (places in `order`, inclusive) and the layout's.
export function buildTree(sequences, order, weights) {
  const { offsets, items } = sequences;
  const bound = items.length + 1;
  const func = new Int32Array(bound);
  const parent = new Int32Array(bound);
  const depth = new Int32Array(bound);
  const self = new Float64Array(bound);
  const rowFrom = new Int32Array(bound);
  const rowTo = new Int32Array(bound);
  let deepest = 0;
  for (let row = 0; row + 1 < offsets.length; row++) deepest = Math.max(deepest, offsets[row + 1] - offsets[row]);
  const path = new Int32Array(deepest + 1); // the nodes of the last sequence; path[0] is the root
  let pathLength = 0;
  let count = 1;
  func[0] = -1;
  parent[0] = -1;
  for (let place = 0; place < order.length; place++) {
    const row = order[place];
    const weight = weights[row];
    if (!(weight > 0)) continue;
    const start = offsets[row];
    const length = offsets[row + 1] - start;
    let common = 0;
    while (common < pathLength && common < length && items[start + common] === func[path[common + 1]]) common++;
    for (let d = common; d < length; d++) {
      func[count] = items[start + d];
      parent[count] = path[d];
      depth[count] = d + 1;
      rowFrom[count] = place;
      path[d + 1] = count++;
    }
    pathLength = length;
    self[path[length]] += weight;
    rowTo[path[length]] = place;
  }
  const total = self.slice(0, count);
  for (let node = count - 1; node > 0; node--) {
    total[parent[node]] += total[node];
    rowTo[parent[node]] = Math.max(rowTo[parent[node]], rowTo[node]);
  }
  const tree = {
    count,
    total,
    sequences,
    order,
    weights,
    func: func.slice(0, count),
    parent: parent.slice(0, count),
    depth: depth.slice(0, count),
    self: self.slice(0, count),
    rowFrom: rowFrom.slice(0, count),
    rowTo: rowTo.slice(0, count),
  };
  layOut(tree);
  return tree;
}

// Adds start (left edge, in the unit of the weights), levels (nodes of depth d are levels[levelOffsets[d] …
// levelOffsets[d + 1]), left to right) and children. Heavy siblings come first.
function layOut(tree) {
  const { count, parent, total, depth, func } = tree;
  const childOffsets = new Int32Array(count + 1);
  for (let node = 1; node < count; node++) childOffsets[parent[node] + 1]++;
  for (let node = 0; node < count; node++) childOffsets[node + 1] += childOffsets[node];
  const children = new Int32Array(Math.max(0, count - 1));
  const next = childOffsets.slice();
  for (let node = 1; node < count; node++) children[next[parent[node]]++] = node;
  const byWeight = (a, b) => total[b] - total[a] || func[a] - func[b];
  const start = new Float64Array(count);
  const levels = new Int32Array(count);
  const levelOffsets = [0];
  let end = 1;
  for (let at = 0; at < count; at++) {
    const node = levels[at];
    if (depth[node] === levelOffsets.length) levelOffsets.push(at);
    const from = childOffsets[node];
    const to = childOffsets[node + 1];
    if (to - from > 1) sortSlice(children, from, to, byWeight);
    let x = start[node];
    for (let i = from; i < to; i++) {
      start[children[i]] = x;
      x += total[children[i]];
      levels[end++] = children[i];
    }
  }
  levelOffsets.push(count);
  Object.assign(tree, { start, levels, levelOffsets, children, childOffsets });
}

// Most nodes have two or three children: there, sorting by insertion is several times faster than a typed array's sort.
function sortSlice(array, from, to, compare) {
  if (to - from > 16) {
    array.subarray(from, to).sort(compare);
    return;
  }
  for (let i = from + 1; i < to; i++) {
    const item = array[i];
    let k = i;
    while (k > from && compare(array[k - 1], item) > 0) array[k] = array[--k];
    array[k] = item;
  }
}

export function depthOf(tree) {
  return tree.levelOffsets.length - 1;
}

// Place in `levels` of the first node of a level that ends right of `x`; the level's end if there is none.
export function firstEndingAfter(tree, level, x) {
  let low = tree.levelOffsets[level];
  let high = tree.levelOffsets[level + 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    const node = tree.levels[middle];
    if (tree.start[node] + tree.total[node] > x) high = middle;
    else low = middle + 1;
  }
  return low;
}

// The node of a level at `x`, or -1.
export function nodeAt(tree, level, x) {
  if (level < 0 || level >= depthOf(tree)) return -1;
  const at = firstEndingAfter(tree, level, x);
  if (at >= tree.levelOffsets[level + 1]) return -1;
  const node = tree.levels[at];
  return tree.start[node] <= x ? node : -1;
}

// What a node was made of: for each distinct (line, address) of its frames the weight. Walks the node's rows.
export function framesOf(tree, frames, node) {
  const { sequences, order, weights, rowFrom, rowTo, depth } = tree;
  const lines = new Map();
  const addresses = new Set();
  for (let place = rowFrom[node]; place <= rowTo[node]; place++) {
    const row = order[place];
    if (!(weights[row] > 0)) continue;
    const frame = sequences.frames[sequences.offsets[row] + depth[node] - 1];
    if (frame < 0) continue;
    lines.set(frames.line[frame], (lines.get(frames.line[frame]) ?? 0) + weights[row]);
    addresses.add(frames.address[frame]);
  }
  return {
    lines: [...lines].map(([line, weight]) => ({ line, weight })).sort((a, b) => b.weight - a.weight),
    addresses,
  };
}
