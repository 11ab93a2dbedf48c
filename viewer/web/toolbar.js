// SPDX-License-Identifier: Apache-2.0
// The row of controls: views, filters, search. What the profile offers no choice in is not shown.
import { byId, el } from './dom.js';
import { formatShare } from './format.js';
import { GROUPINGS, processChoices, sum, threadChoices } from './rows.js';

export const VIEWS = { flame: 'Flame graph', table: 'Table', sandwich: 'Sandwich' };

function option(value, label, selected = false) {
  return el('option', { value, selected }, label);
}

function labelled(label, select) {
  return el('label', { class: 'choice' }, el('span', {}, label), select);
}

export class Toolbar {
  // actions: view(name), metric(index), filter({ process, thread }), grouping(name), query(text), nextMatch(step), flip()
  constructor(model, metrics, state, actions) {
    Object.assign(this, { model, metrics, actions });
    this.tabs = Object.entries(VIEWS).map(([name, label]) =>
      el('button', { type: 'button', 'data-view': name, onclick: () => actions.view(name) }, label),
    );
    byId('tabs').append(...this.tabs);
    this.makeChoices(state);
    this.search = byId('search');
    this.search.addEventListener('input', () => actions.query(this.search.value));
    this.search.addEventListener('keydown', (event) => {
      if (event.key !== 'Enter') return;
      event.preventDefault();
      actions.nextMatch(event.shiftKey ? -1 : 1);
    });
    byId('flip').addEventListener('click', () => actions.flip());
  }

  makeChoices(state) {
    const { model, metrics, actions } = this;
    const box = byId('choices');
    if (metrics.length > 1) {
      const select = el(
        'select',
        { id: 'metric', onchange: () => actions.metric(Number(select.value)) },
        ...metrics.map(({ label }, i) => option(i, label)),
      );
      box.append(labelled('Show', select));
    }
    this.processes = el('select', { id: 'process', onchange: () => this.filterChanged(true) });
    this.threads = el('select', { id: 'thread', onchange: () => this.filterChanged(false) });
    if (model.processes.length > 1) box.append(labelled('Process', this.processes));
    if (model.threads.length > 1) {
      box.append(labelled('Thread', this.threads));
      const grouping = el(
        'select',
        { id: 'grouping', onchange: () => actions.grouping(grouping.value) },
        ...Object.entries(GROUPINGS).map(([name, { label }]) => option(name, label, name === state.grouping)),
      );
      box.append(labelled('Group by', grouping));
    }
    this.fill(state.metric, state.filter);
  }

  // Fills both filters for a metric, keeping what is chosen.
  fill(metric, filter) {
    const whole = sum(this.model.rows.values[metric.column]);
    const put = (select, all, choices, chosen) => {
      const label = (choice) => `${choice.inner ? '\u2003' : ''}${choice.label} – ${formatShare(choice.weight, whole)}`;
      const same = (choice) =>
        chosen !== null && choice.filter.index === chosen.index && choice.filter.name === chosen.name;
      select.choices = choices;
      select.replaceChildren(option(-1, all), ...choices.map((choice, i) => option(i, label(choice), same(choice))));
    };
    put(
      this.processes,
      `all ${this.model.processes.length}`,
      processChoices(this.model, metric.column),
      filter.process,
    );
    const threads = threadChoices(this.model, metric.column, filter);
    put(this.threads, 'all', threads, filter.thread);
  }

  filterChanged(processChanged) {
    const chosen = (select) => select.choices[Number(select.value)]?.filter ?? null;
    this.actions.filter({ process: chosen(this.processes), thread: processChanged ? null : chosen(this.threads) });
  }

  show(state) {
    for (const tab of this.tabs) tab.setAttribute('aria-pressed', String(tab.dataset.view === state.view));
    byId('flip').hidden = state.view !== 'flame';
    byId('flip-label').textContent = state.flip ? 'flame' : 'icicle';
    byId('flip').title = state.flip
      ? 'Flame: root at the bottom. Turn to icicle (i)'
      : 'Icicle: root at the top. Turn to flame (i)';
  }

  // plain: the query is no regular expression and was taken as text
  showMatches(text, hint = '', plain = false) {
    byId('matches').textContent = text;
    byId('searchbox').title = hint;
    byId('searchbox').classList.toggle('plain', plain);
  }
}
