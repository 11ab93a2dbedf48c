// SPDX-License-Identifier: Apache-2.0
// One function between its callers (above, growing up) and its callees (below, growing down).
import { el } from './dom.js';
import { baseName, formatShare } from './format.js';
import { kindBadge } from './details.js';
import { FlameGraph } from './flamegraph.js';
import { linesOf, sandwichTrees } from './sandwich.js';
import { depthOf } from './tree.js';
import { ROW } from './painter.js';

const MAX_LINES = 6;

export class SandwichView {
  constructor(host, events) {
    this.head = el('header', { class: 'sandwich-head' });
    const part = (title, hint, options) => {
      const pane = el('div', { class: 'pane' }, el('h2', {}, title, el('small', {}, hint)));
      host.append(pane);
      return { pane, graph: new FlameGraph(pane, { ...options, showRoot: false, label: title, events }) };
    };
    host.append(this.head);
    this.callers = part('Callers', 'who calls it: the way up to the root', { flip: true, outwards: true });
    this.callees = part('Callees', 'where its time goes', { flip: false });
  }

  get parts() {
    return [this.callers, this.callees];
  }

  get graphs() {
    return this.parts.map(({ graph }) => graph);
  }

  show(model, fn, sequences, weights, totals, details) {
    const trees = sandwichTrees(sequences, weights, fn);
    this.setHead(model, fn, totals, details, fn < model.groupStart ? linesOf(model, weights, fn) : []);
    for (const [part, tree] of [
      [this.callers, trees.callers],
      [this.callees, trees.callees],
    ]) {
      // Both panes get the room that their depth asks for, as far as there is room.
      part.pane.style.flexGrow = String(Math.min(14, Math.max(3, depthOf(tree))));
      part.pane.style.maxHeight = `${depthOf(tree) * ROW + 64}px`;
      part.graph.setTree(tree);
    }
  }

  setHead(model, fn, totals, details, lines) {
    const f = model.functions[fn];
    const weight = totals.total[fn];
    const fact = (label, value) => value && el('div', {}, el('dt', {}, label), el('dd', {}, value));
    const place = f.file && (f.startLine > 0 ? `${f.file}:${f.startLine}` : f.file);
    const shares = (weights) => `${details.share(weights)} · ${details.value(weights)}`;
    this.head.replaceChildren(
      el('h2', {}, kindBadge(f), el('span', { class: 'sandwich-name' }, f.name)),
      el(
        'dl',
        {},
        ...[
          fn < model.groupStart && fact('total', shares(weight)),
          fn < model.groupStart && fact('self', shares(totals.self[fn])),
          fact('source', place),
          fact('module', f.module),
          fact('build id', f.buildId),
          fact('symbol', f.systemName === f.name ? '' : f.systemName),
        ].filter(Boolean),
      ),
      lines.length > 0 && lines.some(({ line }) => line > 0) ? this.lineList(f, lines, weight) : '',
    );
  }

  lineList(f, lines, weight) {
    const rest = lines.length - MAX_LINES;
    return el(
      'div',
      { class: 'lines' },
      el('span', { class: 'lines-title' }, `hot lines of ${baseName(f.file) || 'its source'}`),
      ...lines.slice(0, MAX_LINES).map(({ line, total }) => {
        const bar = el('span', { class: `bar kind-${f.kind}` });
        bar.style.width = `${(100 * total) / weight}%`;
        return el('span', { class: 'line' }, bar, el('span', {}, `:${line} `), el('b', {}, formatShare(total, weight)));
      }),
      rest > 0 ? el('span', { class: 'lines-title' }, `and ${rest} more`) : '',
    );
  }
}
