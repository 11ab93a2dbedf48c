// SPDX-License-Identifier: Apache-2.0
// Ties state and views together. State is what the reader chose; weights, trees and totals follow from it and are made
// when a view needs them.
import { keyActions } from './actions.js';
import { byId, el, settings } from './dom.js';
import { decode, metricsOf, unpack } from './decode.js';
import { Details } from './details.js';
import { fillAbout, showTitle, toggleDialog, wireDialogs } from './dialogs.js';
import { FlameGraph } from './flamegraph.js';
import { formatCount, formatShare } from './format.js';
import { listenToKeys } from './keyboard.js';
import { KINDS, THEMES, functionColors } from './palette.js';
import { NO_FILTER, rowSequences, rowWeights, sum } from './rows.js';
import { SandwichView } from './sandwich_view.js';
import { compileQuery, matchFunctions, matchedWeight, outermostMatches } from './search.js';
import { FunctionTable } from './table.js';
import { Theme } from './theme.js';
import { Toolbar } from './toolbar.js';
import { Tooltip } from './tooltip.js';
import { functionTotals, weightByKind, sortedFunctions } from './totals.js';
import { buildTree, sortSequences } from './tree.js';

export class App {
  constructor(model) {
    this.model = model;
    this.metrics = metricsOf(model);
    const names = new Set(model.processes.map(({ name }) => name));
    this.state = {
      view: 'flame',
      cameFrom: 'flame',
      metric: this.metrics[0],
      filter: NO_FILTER,
      fn: -1,
      kind: null,
      query: null,
      grouping: names.size > 1 ? 'name' : 'none',
      flip: settings.get('flip') === 'true',
    };
    this.timings = {};
    this.theme = new Theme(() => this.showTheme());
    this.tooltip = new Tooltip(byId('tooltip'));
    const events = {
      point: (graph, node, x, y) => this.point(graph, node, x, y),
      open: (fn) => this.openSandwich(fn),
      change: () => this.showMatches(),
    };
    this.flame = new FlameGraph(byId('flame-view'), { flip: this.state.flip, label: 'Flame graph', events });
    this.sandwich = new SandwichView(byId('sandwich-view'), events);
    this.table = new FunctionTable(byId('table-view'), (fn) => this.openSandwich(fn));
    this.toolbar = new Toolbar(model, this.metrics, this.state, {
      view: (view) => this.setView(view),
      metric: (index) => this.setMetric(this.metrics[index]),
      filter: (filter) => this.setFilter(filter),
      grouping: (grouping) => this.setGrouping(grouping),
      query: (text) => this.setQuery(text),
      nextMatch: (step) => this.nextMatch(step),
      flip: () => this.flip(),
    });
    showTitle(model);
    fillAbout(model);
    wireDialogs();
    listenToKeys(keyActions(this));
    byId('theme').addEventListener('click', () => this.theme.toggle());
    for (const [button, dialog] of [
      ['losses', 'about'],
      ['about-open', 'about'],
      ['help-open', 'help'],
    ]) {
      byId(button).addEventListener('click', () => toggleDialog(dialog));
    }
    addEventListener('beforeprint', () => this.setPrinting(true));
    addEventListener('afterprint', () => this.setPrinting(false));
    this.showTheme();
    this.regroup();
    this.showView();
  }

  // --- what follows from the state ---

  regroup() {
    this.timed('sequences', () => {
      this.sequences = rowSequences(this.model, this.state.grouping);
      this.order = sortSequences(this.sequences);
    });
    this.reweigh();
  }

  reweigh() {
    const { model, state } = this;
    this.weights = rowWeights(model, state.metric.column, state.filter);
    this.grandTotal = sum(this.weights);
    this.timed('totals', () => {
      this.totals = functionTotals(model, this.weights);
    });
    const sharing = [
      state.metric,
      ...this.metrics.filter((m) => m !== state.metric && m.column === state.metric.column),
    ];
    this.details = new Details(model, sharing, this.grandTotal);
    this.timed('tree', () => {
      this.tree = buildTree(this.sequences, this.order, this.weights);
    });
    this.flame.setLook({
      rootLabel: `all · ${this.details.metrics.map((m) => this.details.value(this.grandTotal, m)).join(' · ')}`,
    });
    this.flame.setTree(this.tree);
    this.showLegend();
    this.match();
  }

  timed(name, work) {
    const begin = performance.now();
    work();
    this.timings[name] = performance.now() - begin;
  }

  get graphs() {
    return [this.flame, ...this.sandwich.graphs];
  }

  // The graph that keys act on: in the sandwich the one with the keyboard, else its callees.
  get activeGraph() {
    if (this.state.view === 'flame') return this.flame;
    if (this.state.view !== 'sandwich') return null;
    return this.sandwich.graphs.find(({ canvas }) => canvas === document.activeElement) ?? this.sandwich.callees.graph;
  }

  // --- choices ---

  setMetric(metric) {
    this.state.metric = metric;
    this.toolbar.fill(metric, this.state.filter);
    this.reweigh();
    this.showView();
  }

  setFilter(filter) {
    this.state.filter = filter;
    this.toolbar.fill(this.state.metric, filter);
    this.reweigh();
    this.showView();
  }

  setGrouping(grouping) {
    this.state.grouping = grouping;
    this.regroup();
    this.showView();
  }

  setQuery(text) {
    this.state.query = compileQuery(text);
    this.match();
    if (this.state.view === 'table') this.showView();
  }

  setView(view) {
    if (view === this.state.view) return;
    if (view === 'sandwich') {
      this.state.cameFrom = this.state.view;
      if (this.state.fn < 0) this.state.fn = sortedFunctions(this.model, this.totals, 'self', false, null)[0] ?? -1;
    }
    this.state.view = view;
    this.showView();
  }

  openSandwich(fn) {
    if (this.state.view !== 'sandwich') this.state.cameFrom = this.state.view;
    Object.assign(this.state, { fn, view: 'sandwich' });
    this.showView();
  }

  flip() {
    this.state.flip = !this.state.flip;
    settings.set('flip', this.state.flip);
    this.flame.setFlip(this.state.flip);
    this.toolbar.show(this.state);
  }

  setKind(kind) {
    this.state.kind = this.state.kind === kind ? null : kind;
    this.showLegend();
    for (const graph of this.graphs) graph.setLook({ kind: this.state.kind });
  }

  back() {
    const { state, activeGraph } = this;
    this.tooltip.hide();
    if (activeGraph?.camera.canGoBack) activeGraph.camera.back();
    else if (state.view !== 'flame') this.setView(state.view === 'sandwich' ? state.cameFrom : 'flame');
    else if (state.query) this.clearSearch();
    else if (state.kind) this.setKind(state.kind);
  }

  clearSearch() {
    this.toolbar.search.value = '';
    this.setQuery('');
  }

  nextMatch(step) {
    const { activeGraph: graph } = this;
    if (!this.matched || !graph) return;
    const found = outermostMatches(graph.scene.tree, this.matched).filter(
      (node) => graph.scene.tree.depth[node] >= graph.scene.firstLevel,
    );
    if (found.length === 0) return;
    const at = found.indexOf(graph.scene.selected);
    graph.select(found[at < 0 ? (step > 0 ? 0 : found.length - 1) : (at + step + found.length) % found.length]);
  }

  copyName() {
    const { selected, hovered, tree } = this.activeGraph?.scene ?? {};
    const node = selected >= 0 ? selected : hovered;
    const name =
      node > 0
        ? this.model.functions[tree.func[node]].name
        : this.state.view === 'sandwich'
          ? this.model.functions[this.state.fn]?.name
          : null;
    if (!name) return false;
    navigator.clipboard?.writeText(name).then(
      () => this.say(`copied: ${name}`),
      () => this.say('the browser does not let this page copy'),
    );
    return true;
  }

  // --- showing ---

  showView() {
    const { state } = this;
    this.tooltip.hide();
    const empty = !(this.grandTotal > 0);
    for (const view of ['flame', 'table', 'sandwich']) byId(`${view}-view`).hidden = empty || view !== state.view;
    byId('notice').hidden = !empty;
    if (empty) this.showEmpty();
    this.toolbar.show(state);
    if (state.view === 'table') this.table.show(this.model, this.totals, this.details, this.matched);
    if (state.view === 'sandwich' && state.fn >= 0) {
      this.sandwich.show(this.model, state.fn, this.sequences, this.weights, this.totals, this.details);
    }
    if (state.view === 'flame') this.flame.resize();
    this.showMatches();
  }

  showEmpty() {
    const filtered = this.state.filter !== NO_FILTER;
    byId('notice').replaceChildren(
      el('h2', {}, filtered ? 'Nothing left' : 'No samples'),
      el(
        'p',
        {},
        filtered
          ? 'No sample belongs to this process and thread. Choose another one above.'
          : 'Nothing that was asked for ran on a CPU while kiln watched: an idle or waiting program takes no samples. Record ' +
              'longer (-d 30), at a higher frequency (-F 997), or the whole host (-a). “About this profile” tells what was lost, if anything.',
      ),
    );
  }

  showTheme() {
    if (!this.flame) return;
    const name = this.theme.name;
    const look = {
      theme: THEMES[name],
      functions: this.model.functions,
      colors: functionColors(this.model.functions, name),
    };
    for (const graph of this.graphs) graph.setLook(look);
    byId('theme').title = name === 'dark' ? 'Light (d)' : 'Dark (d)';
  }

  showLegend() {
    const shares = weightByKind(this.model, this.totals);
    byId('legend').replaceChildren(
      ...Object.keys(KINDS)
        .filter((kind) => shares.has(kind))
        .map((kind) =>
          el(
            'button',
            {
              type: 'button',
              class: `kind-${kind}`,
              'aria-pressed': String(this.state.kind === kind),
              onclick: () => this.setKind(kind),
              title: `${kind === 'truncated' ? 'stacks that were cut' : `${KINDS[kind].label}: share of self time`}. Click to pick these frames out.`,
            },
            el('i', { class: `kind-${kind}` }),
            KINDS[kind].label,
            el('b', {}, formatShare(shares.get(kind), this.grandTotal)),
          ),
        ),
    );
  }

  match() {
    const { query } = this.state;
    this.matched = query ? matchFunctions(this.model.functions, query) : null;
    this.matches = this.matched ? outermostMatches(this.tree, this.matched) : [];
    for (const graph of this.graphs) graph.setLook({ matched: this.matched });
    this.showMatches();
  }

  showMatches() {
    if (!this.toolbar) return;
    if (!this.matched) {
      this.toolbar.showMatches('');
      return;
    }
    let functions = 0;
    for (let fn = 0; fn < this.model.groupStart; fn++)
      functions += this.matched[fn] && this.totals.total[fn] > 0 ? 1 : 0;
    const share = formatShare(matchedWeight(this.tree, this.matches, 0, this.grandTotal), this.grandTotal);
    const { from, to } = this.flame.camera.target;
    const zoomed = this.state.view === 'flame' && to - from < this.grandTotal;
    const inView = zoomed
      ? ` · ${formatShare(matchedWeight(this.tree, this.matches, from, to), to - from)} of view`
      : '';
    const hint = `${formatCount(functions)} ${functions === 1 ? 'function' : 'functions'} matched. Enter: next match`;
    this.toolbar.showMatches(`${share} matched${inView}`, hint, !this.state.query.isRegex);
  }

  point(graph, node, x, y) {
    if (node < 0) {
      this.tooltip.hide();
      return;
    }
    const { tree } = graph.scene;
    this.tooltip.show(
      `${this.graphs.indexOf(graph)}/${node}`,
      () => {
        if (graph.scene.selected === node) this.say(this.details.line(tree, node));
        return this.details.box(tree, node, graph.outwards);
      },
      x,
      y,
    );
  }

  say(text) {
    byId('live').textContent = text;
  }

  setPrinting(printing) {
    this.tooltip.hide();
    this.theme.setPrinting(printing);
    if (this.state.view === 'table') this.table.setPrinting(printing);
    else if (this.state.view === 'flame') this.flame.setPrinting(printing);
    else for (const graph of this.sandwich.graphs) graph.setPrinting(printing, 0.42);
  }
}

async function start() {
  const loading = byId('loading');
  try {
    const begin = performance.now();
    const data = await unpack(byId('data').textContent.trim());
    const model = decode(data);
    loading.remove();
    document.body.classList.add('ready');
    const app = new App(model);
    app.timings.decode = performance.now() - begin;
    window.kiln = app; // for the console, and for the tests
  } catch (error) {
    loading.textContent = `This page cannot be shown: ${error.message}. It needs a browser with DecompressionStream (Chromium 80, Firefox 113, Safari 16.4 or newer) and must be complete.`;
    throw error;
  }
}

start();
