// SPDX-License-Identifier: Apache-2.0
// What the page says about the profile and about itself: title line, badge of losses, about and help panels.
import { byId, el } from './dom.js';
import { commandOf, gapsOf, hostOf, lossesOf } from './decode.js';
import { formatCount, formatDuration, formatShare, formatTime, formatValue } from './format.js';
import { rowWeights, sum } from './rows.js';
import { functionTotals } from './totals.js';

const SHORTCUTS = [
  ['click', 'focus a frame; its ancestors stay above it'],
  ['double click, s, menu key', 'sandwich: callers and callees of the function'],
  ['Esc, Backspace', 'one step back'],
  ['0, Home', 'show everything'],
  ['/, Ctrl F', 'search (a regular expression)'],
  ['Enter, n, Shift n', 'next match, previous match'],
  ['arrow keys', 'walk from frame to frame'],
  ['Enter', 'focus the selected frame'],
  ['+, −, Ctrl wheel', 'zoom; drag or Shift wheel to move'],
  ['f, t', 'flame graph, table'],
  ['i', 'icicle or flame: root at the top or at the bottom'],
  ['c', 'copy the name of the selected function'],
  ['d', 'dark or light'],
  ['a', 'about this profile'],
  ['?', 'this help'],
];

function frequency(period) {
  if (period.unit !== 'nanoseconds' || !(period.value > 0)) return '';
  const hertz = 1e9 / period.value;
  return `${hertz >= 10 ? Math.round(hertz) : hertz.toFixed(1)} Hz`;
}

function sampleCount(model) {
  const column = model.sampleTypes.findIndex(({ unit }) => unit === 'count');
  return column < 0
    ? ''
    : formatValue(
        model.rows.values[column].reduce((a, b) => a + b, 0),
        model.sampleTypes[column].type,
        'count',
      );
}

// The facts that stand beside the title, in order; what is not known is left out.
export function titleFacts(model) {
  return [
    commandOf(model) && hostOf(model),
    model.time > 0 && formatTime(model.time),
    model.duration > 0 && formatDuration(model.duration),
    frequency(model.period),
    sampleCount(model),
  ].filter(Boolean);
}

export function showTitle(model) {
  const title = commandOf(model) || hostOf(model) || 'CPU profile';
  byId('title').textContent = title;
  byId('title').title = title;
  byId('facts').textContent = titleFacts(model).join('  ·  ');
  const losses = lossesOf(model);
  const badge = byId('losses');
  badge.hidden = losses.length === 0;
  const lost = losses.find(({ key }) => key === 'kiln.samples.lost');
  badge.textContent = lost ? `${formatValue(lost.value, 'samples', 'count')} lost` : 'something was lost';
  badge.title = losses.map(({ key, value }) => `${key} = ${formatCount(value)}`).join('\n');
}

function section(title, entries) {
  const rows = entries
    .filter(([, value]) => value !== '')
    .map(([key, value]) => el('tr', {}, el('th', { scope: 'row' }, key), el('td', {}, value)));
  return rows.length > 0 ? [el('h3', {}, title), el('table', {}, ...rows)] : [];
}

function propertyText({ value, unit }) {
  return (
    (typeof value === 'number' && Number.isInteger(value) ? formatCount(value) : String(value)) +
    (unit ? ` ${unit}` : '')
  );
}

// How many samples have a stack that was cut, by reason.
function cutStacks(model) {
  const weights = rowWeights(model, 0);
  const { total } = functionTotals(model, weights);
  return model.functions
    .slice(0, model.groupStart)
    .map((fn, i) => [fn, total[i]])
    .filter(([fn]) => fn.kind === 'truncated')
    .sort((a, b) => b[1] - a[1])
    .map(([fn, weight]) => [
      `stacks that end in ${fn.name}`,
      `${formatCount(weight)} (${formatShare(weight, sum(weights))})`,
    ]);
}

export function fillAbout(model) {
  const gaps = gapsOf(model);
  const entries = (properties) => properties.map((property) => [property.key, propertyText(property)]);
  const { stacks, functions, groupStart, processes, threads, period } = model;
  byId('about-body').replaceChildren(
    ...section('Recording', [
      ['command', commandOf(model)],
      ['host', hostOf(model)],
      ['start', model.time > 0 ? formatTime(model.time) : ''],
      ['duration', model.duration > 0 ? formatDuration(model.duration) : ''],
      [
        'period',
        period.value > 0
          ? `${formatValue(period.value, period.type, period.unit)} of ${period.type}  ${frequency(period) && `(${frequency(period)})`}`
          : '',
      ],
      ...model.sampleTypes.map(({ type, unit }, i) => [
        type,
        formatValue(
          model.rows.values[i].reduce((a, b) => a + b, 0),
          type,
          unit,
        ),
      ]),
      ['processes, threads', `${formatCount(processes.length)}, ${formatCount(threads.length)}`],
      ['distinct stacks, functions', `${formatCount(stacks.offsets.length - 1)}, ${formatCount(groupStart)}`],
    ]),
    ...section('Lost or cut', [...cutStacks(model), ...entries(gaps)]),
    ...section('Properties', entries(model.properties.filter((property) => !gaps.includes(property)))),
  );
  byId('help-body').replaceChildren(
    el(
      'table',
      {},
      ...SHORTCUTS.map(([keys, what]) =>
        el(
          'tr',
          {},
          el('th', { scope: 'row' }, ...keys.split(', ').flatMap((key, i) => [i ? ' ' : '', el('kbd', {}, key)])),
          el('td', {}, what),
        ),
      ),
    ),
    el(
      'p',
      {},
      'Total is the share of stacks that a function is in, self of those that end in it. A function counts once per ' +
        'stack, however often it calls itself. The sandwich cuts a recursive stack at the outermost call.',
    ),
    el('p', {}, 'The page holds the whole profile and opens no connection.'),
  );
}

export function toggleDialog(id) {
  const dialog = byId(id);
  if (dialog.open) dialog.close();
  else dialog.showModal();
}

// A dialog closes by its button and by a click beside it (Esc is the browser's).
export function wireDialogs() {
  for (const dialog of document.querySelectorAll('dialog')) {
    dialog.addEventListener('click', (event) => {
      if (event.target === dialog || event.target.closest('.close')) dialog.close();
    });
  }
}
