// SPDX-License-Identifier: Apache-2.0
// Small data in the form of viewer/encode.h, made from folded stacks.

const TYPES = ['unknown', 'native', 'kernel', 'jit', 'truncated', 'beam', 'cpython'];

// samples: [{ stack: ['main', 'work@kernel', 'add+inlined:7'], value, pid, process, tid, thread }], root first.
// A frame is NAME[@TYPE][+inlined][:LINE].
export function dataOf(samples, extra = {}) {
  const strings = [''];
  const text = (value) => {
    const at = strings.indexOf(value);
    return at >= 0 ? at : strings.push(value) - 1;
  };
  const frames = {
    name: [],
    system: [],
    file: [],
    start: [],
    line: [],
    module: [],
    type: [],
    inlined: [],
    address: [],
  };
  const known = new Map();
  const frameOf = (spec) => {
    if (known.has(spec)) return known.get(spec);
    const [, name, type = 'native', inlined, line = '0'] = /^(.*?)(?:@(\w+))?(\+inlined)?(?::(\d+))?$/.exec(spec);
    frames.name.push(text(name));
    frames.system.push(0);
    frames.file.push(line === '0' ? 0 : text(name + '.cc'));
    frames.start.push(1);
    frames.line.push(Number(line));
    frames.module.push(0);
    frames.type.push(TYPES.indexOf(type));
    frames.inlined.push(inlined ? 1 : 0);
    frames.address.push((0x1000 + known.size).toString(16));
    known.set(spec, known.size);
    return known.size - 1;
  };
  const stacks = { depth: [], frames: [] };
  const processes = [];
  const threads = [];
  const indexIn = (list, key, item) => {
    const at = list.findIndex((entry) => entry.key === key);
    return at >= 0 ? at : list.push({ key, item }) - 1;
  };
  const columns = { stack: [], thread: [], values: [[]] };
  for (const { stack, value = 1, pid = 1, process = 'app', tid = pid, thread = process } of samples) {
    columns.stack.push(stacks.depth.push(stack.length) - 1);
    stacks.frames.push(...stack.map(frameOf));
    const p = indexIn(processes, `${pid}`, [pid, text(process), [['process.pid', pid, '']]]);
    columns.thread.push(indexIn(threads, `${p}/${tid}`, [p, tid, text(thread)]));
    columns.values[0].push(value);
  }
  return {
    version: 1,
    strings,
    sampleTypes: [[text('samples'), text('count')]],
    period: [text('cpu'), text('nanoseconds'), 10101010],
    time: 1.7e12,
    duration: 1e10,
    frameTypes: TYPES,
    modules: { file: [text('/usr/bin/app')], buildId: [text('ab12')] },
    frames,
    stacks,
    processes: processes.map(({ item }) => item),
    threads: threads.map(({ item }) => item),
    samples: columns,
    properties: [],
    ...extra,
  };
}

// The tree as { 'main': [total, self], 'main;work': … }
export function folded(tree, functions) {
  const paths = [''];
  const result = {};
  for (let node = 1; node < tree.count; node++) {
    const parent = paths[tree.parent[node]];
    paths[node] = (parent ? parent + ';' : '') + functions[tree.func[node]].name;
    result[paths[node]] = [tree.total[node], tree.self[node]];
  }
  return result;
}
