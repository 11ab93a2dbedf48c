// SPDX-License-Identifier: Apache-2.0
// The search: a regular expression over the functions' names, and the share of the samples that it meets.

// Any text is a query: what is no regular expression is searched as it stands. Capital letters make it case-sensitive.
// Returns null for an empty query, else { matches(name), isRegex }.
export function compileQuery(query) {
  if (query === '') return null;
  const flags = /[A-Z]/.test(query.replace(/\\./g, '')) ? '' : 'i';
  try {
    const regex = new RegExp(query, flags);
    return { matches: (name) => regex.test(name), isRegex: true };
  } catch {
    const plain = flags ? query.toLowerCase() : query;
    return { matches: (name) => (flags ? name.toLowerCase() : name).includes(plain), isRegex: false };
  }
}

// One byte per function, 1 where the query meets its name.
export function matchFunctions(functions, query) {
  const matched = new Uint8Array(functions.length);
  functions.forEach((fn, i) => {
    matched[i] = query.matches(fn.name) ? 1 : 0;
  });
  return matched;
}

// The outermost matched nodes, heaviest first. Their totals overlap nowhere, so the sum is the matched weight.
export function outermostMatches(tree, matched) {
  const inside = new Uint8Array(tree.count);
  const found = [];
  for (let node = 1; node < tree.count; node++) {
    if (inside[tree.parent[node]]) {
      inside[node] = 1;
    } else if (matched[tree.func[node]]) {
      inside[node] = 1;
      found.push(node);
    }
  }
  return found.sort((a, b) => tree.total[b] - tree.total[a]);
}

// The matched weight within [from, to) of the tree's width.
export function matchedWeight(tree, matches, from, to) {
  let weight = 0;
  for (const node of matches) {
    const start = Math.max(from, tree.start[node]);
    const end = Math.min(to, tree.start[node] + tree.total[node]);
    if (end > start) weight += end - start;
  }
  return weight;
}
