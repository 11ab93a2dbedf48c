// SPDX-License-Identifier: Apache-2.0
// All that is known of a frame, for the tooltip and for screen readers.
import { el } from './dom.js';
import { baseName, formatShare, formatValue } from './format.js';
import { KINDS } from './palette.js';
import { framesOf } from './tree.js';

export function kindBadge(fn) {
  const label =
    fn.kind === fn.type || fn.kind === 'inlined' || fn.kind === 'group' ? KINDS[fn.kind].label : `${fn.type}`;
  return el('span', { class: `badge kind-${fn.kind}` }, label);
}

// "work.h:5", with the other lines' number where a node was met on several; '' if there is no source file.
export function placeText(fn, lines) {
  if (fn.file === '') return '';
  const known = lines.filter(({ line }) => line > 0);
  if (known.length === 0) return fn.startLine > 0 ? `${fn.file}:${fn.startLine}` : fn.file;
  const more = known.length > 1 ? ` and ${known.length - 1} more ${known.length === 2 ? 'line' : 'lines'}` : '';
  return `${fn.file}:${known[0].line}${more}`;
}

// Describes nodes of the trees of one metric. `metrics` are all that share the metric's column (samples and CPU time).
export class Details {
  constructor(model, metrics, grandTotal) {
    this.model = model;
    this.metrics = metrics;
    this.grandTotal = grandTotal;
  }

  value(weight, metric = this.metrics[0]) {
    return formatValue(weight * metric.scale, metric.type, metric.unit);
  }

  share(weight) {
    return formatShare(weight, this.grandTotal);
  }

  // One line: "main: 97 % of all, self 0 %"
  line(tree, node) {
    const name = node === 0 ? 'all' : this.model.functions[tree.func[node]].name;
    return `${name}: ${this.share(tree.total[node])} of all (${this.value(tree.total[node])}), self ${this.share(tree.self[node])}`;
  }

  // The tooltip's elements. `outwards`: the tree grows from callee to caller.
  box(tree, node, outwards) {
    const parent = tree.parent[node];
    const total = tree.total[node];
    const self = tree.self[node];
    const rows = this.metrics.map((metric) => [metric.label, this.value(total, metric), this.value(self, metric)]);
    rows.push(['of all', this.share(total), this.share(self)]);
    if (parent > 0 || (parent === 0 && node !== 0 && !outwards)) {
      rows.push([outwards ? 'of the callee' : 'of the parent', formatShare(total, tree.total[parent]), '']);
    }
    const numbers = el(
      'table',
      {},
      el('tr', {}, el('td'), el('th', { scope: 'col' }, 'total'), el('th', { scope: 'col' }, outwards ? '' : 'self')),
      ...rows.map(([label, ofTotal, ofSelf]) =>
        el('tr', {}, el('th', { scope: 'row' }, label), el('td', {}, ofTotal), el('td', {}, outwards ? '' : ofSelf)),
      ),
    );
    if (node === 0) return [el('div', { class: 'tip-name' }, 'all samples'), numbers];
    const fn = this.model.functions[tree.func[node]];
    return [el('div', { class: 'tip-name' }, fn.name), ...this.facts(fn, tree, node), numbers];
  }

  facts(fn, tree, node) {
    if (fn.kind === 'group') {
      const facts = (fn.attributes ?? []).filter(([key]) => key !== 'process.executable.name');
      return facts.slice(0, 12).map(([key, value]) => el('div', { class: 'tip-fact' }, `${key} = ${value}`));
    }
    const { lines, addresses } = framesOf(tree, this.model.frames, node);
    const [address] = addresses;
    const place = placeText(fn, lines);
    const code =
      addresses.size === 1 && address !== '0'
        ? `0x${address}`
        : addresses.size > 1
          ? `${addresses.size} addresses`
          : '';
    return [
      place && el('div', { class: 'tip-place' }, place),
      el(
        'div',
        { class: 'tip-fact' },
        kindBadge(fn),
        ' ',
        [fn.module && baseName(fn.module), code].filter(Boolean).join(' · '),
      ),
    ].filter(Boolean);
  }
}
