// SPDX-License-Identifier: Apache-2.0
// The table of functions. Only the rows in view are in the document; two spacer rows stand for the others.
import { el } from './dom.js';
import { baseName, formatShare } from './format.js';
import { kindBadge } from './details.js';
import { sortedFunctions } from './totals.js';

const ROW_PX = 28;
const PRINTED_ROWS = 100;
const SPARE_ROWS = 20; // made above and below what is in view
const COLUMNS = [
  { key: 'self', label: 'Self', number: true },
  { key: 'total', label: 'Total', number: true },
  { key: 'name', label: 'Function' },
  { key: 'module', label: 'Module' },
];

export class FunctionTable {
  // open(fn): a row was chosen
  constructor(host, open) {
    this.open = open;
    this.sort = { column: 'self', ascending: false };
    this.list = [];
    this.made = { first: 0, last: 0 };
    this.printing = false;
    this.headers = COLUMNS.map((column) =>
      el(
        'th',
        { scope: 'col', class: column.number ? 'number' : column.key },
        el('button', { type: 'button', onclick: () => this.sortBy(column.key) }, column.label),
      ),
    );
    this.body = el('tbody');
    this.table = el('table', { class: 'functions' }, el('thead', {}, el('tr', {}, ...this.headers)), this.body);
    this.box = el('div', { class: 'table-box', tabindex: 0 }, this.table);
    this.box.addEventListener('scroll', () => this.scrolled(), { passive: true });
    new ResizeObserver(() => this.scrolled()).observe(this.box);
    host.append(this.box);
  }

  // details: see details.js; matched: bytes per function or null
  show(model, totals, details, matched) {
    Object.assign(this, { model, totals, details, matched });
    this.update();
  }

  sortBy(column) {
    const text = column === 'name' || column === 'module';
    this.sort = { column, ascending: this.sort.column === column ? !this.sort.ascending : text };
    this.update();
  }

  update() {
    this.list = sortedFunctions(this.model, this.totals, this.sort.column, this.sort.ascending, this.matched);
    this.headers.forEach((header, i) => {
      const active = COLUMNS[i].key === this.sort.column;
      header.setAttribute('aria-sort', active ? (this.sort.ascending ? 'ascending' : 'descending') : 'none');
    });
    this.box.scrollTop = 0;
    this.render();
  }

  // Rows are made anew only when the scroll box leaves those that there are: a row must outlive a click on it.
  scrolled() {
    if (!this.model || this.printing) return;
    const first = Math.floor(this.box.scrollTop / ROW_PX);
    const last = Math.min(this.list.length, first + Math.ceil(this.box.clientHeight / ROW_PX));
    if (first < this.made.first || last > this.made.last) this.render();
  }

  // For paper: the first rows, all of them in the document.
  setPrinting(printing) {
    this.printing = printing;
    this.render();
  }

  render() {
    if (!this.model) return;
    const everything = this.printing;
    const visible = Math.ceil(this.box.clientHeight / ROW_PX) + 2 * SPARE_ROWS;
    const first = everything ? 0 : Math.max(0, Math.floor(this.box.scrollTop / ROW_PX) - SPARE_ROWS);
    const last = Math.min(this.list.length, first + (everything ? PRINTED_ROWS : visible));
    this.made = { first, last };
    const spacer = (rows) => {
      const row = el('tr', { class: 'spacer', 'aria-hidden': 'true' }, el('td'));
      row.style.height = `${rows * ROW_PX}px`;
      return row;
    };
    const rows = this.list.slice(first, last).map((fn) => this.row(fn));
    if (this.list.length === 0)
      rows.push(el('tr', {}, el('td', { colspan: 3, class: 'nothing' }, 'No function matches the search.')));
    this.body.replaceChildren(spacer(first), ...rows, ...(everything ? [] : [spacer(this.list.length - last)]));
  }

  row(fn) {
    const { details, totals, model } = this;
    const f = model.functions[fn];
    const number = (weight) => {
      const bar = el('span', { class: `bar kind-${f.kind}` });
      bar.style.width = `${(100 * weight) / details.grandTotal}%`;
      return el(
        'td',
        { class: 'number' },
        bar,
        el('b', {}, formatShare(weight, details.grandTotal)),
        ' ',
        el('span', { class: 'value' }, details.value(weight)),
      );
    };
    return el(
      'tr',
      { onclick: () => this.open(fn), title: f.file ? `${f.name}\n${f.file}` : f.name },
      number(totals.self[fn]),
      number(totals.total[fn]),
      el('td', { class: 'name' }, el('div', {}, kindBadge(f), el('button', { type: 'button', class: 'link' }, f.name))),
      el('td', { class: 'module' }, baseName(f.module)),
    );
  }
}
