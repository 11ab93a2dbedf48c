// SPDX-License-Identifier: Apache-2.0
// Rows are the samples. Here: which of them count (filter by process and thread), and as which sequences of functions
// they enter a tree (grouping).

// A filter value is null (all), { name } (all of this name) or { index } (one).
export const NO_FILTER = { process: null, thread: null };

function accepts(filter, index, name) {
  return filter === null || (filter.index === undefined ? filter.name === name : filter.index === index);
}

// The weight of each row under the filter; 0 for rows that it leaves out.
export function rowWeights(model, column, filter = NO_FILTER) {
  const { values, process, thread } = model.rows;
  const processOk = model.processes.map((p, i) => accepts(filter.process, i, p.name));
  const threadOk = model.threads.map((t, i) => processOk[t.process] && accepts(filter.thread, i, t.name));
  return values[column].map((value, row) => (processOk[process[row]] && threadOk[thread[row]] ? value : 0));
}

export function sum(weights) {
  let total = 0;
  for (const weight of weights) total += weight;
  return total;
}

// Choices for the process filter, heaviest first: a name that several processes share comes once for all, then each of
// them one level in. [{ filter, label, weight, inner }]
export function processChoices(model, column) {
  return choices(
    model.processes,
    model.rows.process,
    model.rows.values[column],
    () => true,
    (process) => (process.pid === null ? process.name : `${process.name} (${process.pid})`),
    'processes',
    64,
  );
}

// Choices for the thread filter among the threads that the process filter leaves.
export function threadChoices(model, column, filter) {
  const among = model.threads.map((t) => accepts(filter.process, t.process, model.processes[t.process].name));
  return choices(
    model.threads,
    model.rows.thread,
    model.rows.values[column],
    (i) => among[i],
    (thread) => (thread.id === null || !thread.named ? thread.name : `${thread.name} (${thread.id})`),
    'threads',
    64,
  );
}

// `limit`: so many members of one name are listed one by one; a build's thousands of compilers would fill the list.
function choices(items, itemOfRow, values, isAmong, labelOf, noun, limit) {
  const weights = new Float64Array(items.length);
  for (let row = 0; row < itemOfRow.length; row++) weights[itemOfRow[row]] += values[row];
  const byName = new Map();
  items.forEach((item, index) => {
    if (!isAmong(index)) return;
    const group = byName.get(item.name) ?? { weight: 0, members: [] };
    group.weight += weights[index];
    group.members.push({ filter: { index }, label: labelOf(item), weight: weights[index] });
    byName.set(item.name, group);
  });
  const byWeight = (a, b) => b.weight - a.weight;
  const result = [];
  for (const [name, { weight, members }] of [...byName].sort((a, b) => byWeight(a[1], b[1]))) {
    if (members.length === 1) {
      result.push({ ...members[0], inner: false });
      continue;
    }
    result.push({ filter: { name }, label: `${name} · ${members.length} ${noun}`, weight, inner: false });
    for (const member of members.sort(byWeight).slice(0, limit)) result.push({ ...member, inner: true });
  }
  return result;
}

// How the root level is made: nothing, the processes' names, each process, or process and thread.
export const GROUPINGS = {
  none: { label: 'nothing', groups: () => [] },
  name: { label: 'process name', groups: (process) => [process.nameGroup] },
  process: { label: 'process', groups: (process) => [process.group] },
  thread: { label: 'thread', groups: (process, thread) => [process.group, thread.group] },
};

// The rows as sequences from root to leaf: row r is items[offsets[r] … offsets[r + 1]), functions; `frames` says at the
// same places which frame it was, -1 for a group.
export function rowSequences(model, grouping) {
  const { stack, process, thread } = model.rows;
  const { offsets: stackOffsets, frames: stackFrames } = model.stacks;
  const groups = model.threads.map((t) => GROUPINGS[grouping].groups(model.processes[t.process], t));
  const prefix = groups.length > 0 ? groups[0].length : 0;
  const offsets = new Int32Array(stack.length + 1);
  for (let row = 0; row < stack.length; row++) {
    offsets[row + 1] = offsets[row] + prefix + stackOffsets[stack[row] + 1] - stackOffsets[stack[row]];
  }
  const items = new Int32Array(offsets[stack.length]);
  const frames = new Int32Array(items.length);
  for (let row = 0; row < stack.length; row++) {
    let at = offsets[row];
    for (const group of groups[thread[row]]) {
      items[at] = group;
      frames[at++] = -1;
    }
    for (let i = stackOffsets[stack[row]]; i < stackOffsets[stack[row] + 1]; i++) {
      items[at] = model.frames.function[stackFrames[i]];
      frames[at++] = stackFrames[i];
    }
  }
  return { offsets, items, frames };
}
