// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { decode, frameKind, gapsOf, lossesOf, metricsOf, textProperty, unpack } from '../decode.js';
import { NO_FILTER, processChoices, rowSequences, rowWeights, sum, threadChoices } from '../rows.js';
import { linesOf, sandwichTrees } from '../sandwich.js';
import { compileQuery, matchFunctions, matchedWeight, outermostMatches } from '../search.js';
import { functionTotals, weightByKind, sortedFunctions } from '../totals.js';
import { buildTree, depthOf, framesOf, nodeAt, sortSequences } from '../tree.js';
import { dataOf, folded } from './profiles.js';

const SAMPLES = [
  { stack: ['main', 'work:5', 'add+inlined:1'], value: 70 },
  { stack: ['main', 'read', 'vfs_read@kernel'], value: 20 },
  { stack: ['main', 'work:9'], value: 7, tid: 3, thread: 'worker' },
  { stack: ['main'], value: 3, pid: 2, process: 'other' },
];

function treeOf(model, { grouping = 'none', filter = NO_FILTER } = {}) {
  const sequences = rowSequences(model, grouping);
  return buildTree(sequences, sortSequences(sequences), rowWeights(model, 0, filter));
}

const functionNamed = (model, name) => model.functions.findIndex((fn) => fn.name === name);
const nodeNamed = (model, tree, name) => [...tree.func].findIndex((fn) => fn >= 0 && model.functions[fn].name === name);

test('unpack reads base64 of gzip of JSON', async () => {
  const value = { text: 'é😀</script>', numbers: [1, 2.5] };
  assert.deepEqual(await unpack(gzipSync(JSON.stringify(value)).toString('base64')), value);
});

test('unpack fails on cut data', async () => {
  const packed = gzipSync('{"a":[1,2,3]}');
  await assert.rejects(unpack(packed.subarray(0, packed.length - 10).toString('base64')));
});

test('decode refuses another version', () => {
  assert.throws(() => decode({ ...dataOf(SAMPLES), version: 2 }), /version 2/);
});

test('the kind of a frame follows its type, and inlining only for machine code', () => {
  assert.equal(frameKind('native', false), 'native');
  assert.equal(frameKind('go', false), 'native');
  assert.equal(frameKind('native', true), 'inlined');
  assert.equal(frameKind('kernel', true), 'kernel');
  assert.equal(frameKind('cpython', false), 'interpreted');
  assert.equal(frameKind('jit', false), 'jit');
  assert.equal(frameKind('truncated', false), 'truncated');
  assert.equal(frameKind('unknown', false), 'unknown');
});

test('frames of one function merge over lines and addresses, not over kinds', () => {
  const model = decode(dataOf([{ stack: ['f:1'] }, { stack: ['f:2'] }, { stack: ['f+inlined:1'] }]));
  assert.deepEqual(
    model.functions.slice(0, model.groupStart).map((fn) => fn.kind),
    ['native', 'inlined'],
  );
});

test('a frame without a name is called by module and address', () => {
  const model = decode(dataOf([{ stack: [''] }]));
  assert.equal(model.functions[0].name, '[app+0x1000]');
});

test('CPU time comes from count and period, and first', () => {
  const [time, samples] = metricsOf(decode(dataOf(SAMPLES)));
  assert.deepEqual([time.label, time.scale, time.column], ['CPU time', 10101010, 0]);
  assert.deepEqual([samples.label, samples.scale, samples.column], ['samples', 1, 0]);
});

test('without a period there is only what was counted', () => {
  const metrics = metricsOf(decode({ ...dataOf(SAMPLES), period: [0, 0, 0] }));
  assert.deepEqual(
    metrics.map(({ label }) => label),
    ['samples'],
  );
});

test('losses are the properties that tell of one and are above zero', () => {
  const properties = [
    ['kiln.samples.lost', 4, ''],
    ['kiln.events.lost', 0, ''],
    ['kiln.frames.unnamed: stripped', 3, ''],
    ['kiln.version', '0.1', ''],
    ['kiln.cpu.count', 8, ''],
  ];
  const model = decode(dataOf(SAMPLES, { properties }));
  assert.deepEqual(
    lossesOf(model).map(({ key }) => key),
    ['kiln.samples.lost'],
  );
  assert.deepEqual(
    gapsOf(model).map(({ key }) => key),
    ['kiln.samples.lost', 'kiln.frames.unnamed: stripped'],
  );
  assert.equal(textProperty(model, 'kiln.command', 'kiln.version'), '0.1');
});

test('the tree holds total and self of every path', () => {
  const model = decode(dataOf(SAMPLES));
  assert.deepEqual(folded(treeOf(model), model.functions), {
    main: [100, 3],
    'main;work': [77, 7],
    'main;work;add': [70, 70],
    'main;read': [20, 0],
    'main;read;vfs_read': [20, 20],
  });
});

test('equal stacks of several rows become one path', () => {
  const model = decode(
    dataOf([
      { stack: ['a', 'b'], value: 2 },
      { stack: ['a', 'c'], value: 1 },
      { stack: ['a', 'b'], value: 3, tid: 9 },
    ]),
  );
  assert.deepEqual(folded(treeOf(model), model.functions), { a: [6, 0], 'a;b': [5, 5], 'a;c': [1, 1] });
});

test('a tree without rows is a root of zero', () => {
  const model = decode(dataOf([]));
  const tree = treeOf(model);
  assert.deepEqual([tree.count, tree.total[0], depthOf(tree)], [1, 0, 1]);
});

test('an empty stack counts at the root', () => {
  const tree = treeOf(
    decode(
      dataOf([
        { stack: [], value: 4 },
        { stack: ['a'], value: 1 },
      ]),
    ),
  );
  assert.deepEqual([tree.total[0], tree.self[0]], [5, 4]);
});

test('siblings are laid out side by side within their parent, heaviest first', () => {
  const model = decode(dataOf(SAMPLES));
  const tree = treeOf(model);
  const at = (name) => tree.start[nodeNamed(model, tree, name)];
  assert.deepEqual([at('main'), at('work'), at('read'), at('vfs_read')], [0, 0, 77, 77]);
  for (let level = 0; level < depthOf(tree); level++) {
    for (let i = tree.levelOffsets[level] + 1; i < tree.levelOffsets[level + 1]; i++) {
      const [left, right] = [tree.levels[i - 1], tree.levels[i]];
      assert.ok(tree.start[left] + tree.total[left] <= tree.start[right]);
    }
  }
});

test('nodeAt finds what is drawn at a place', () => {
  const model = decode(dataOf(SAMPLES));
  const tree = treeOf(model);
  const name = (level, x) => {
    const node = nodeAt(tree, level, x);
    return node > 0 ? model.functions[tree.func[node]].name : node;
  };
  assert.deepEqual(
    [name(0, 5), name(1, 99), name(2, 76), name(2, 77), name(2, 98), name(9, 0), name(-1, 0)],
    [0, 'main', 'work', 'read', -1, -1, -1],
  );
});

test('framesOf gives the lines of a node by weight', () => {
  const model = decode(dataOf(SAMPLES));
  const tree = treeOf(model);
  const { lines, addresses } = framesOf(tree, model.frames, nodeNamed(model, tree, 'work'));
  assert.deepEqual(lines, [
    { line: 5, weight: 70 },
    { line: 9, weight: 7 },
  ]);
  assert.equal(addresses.size, 2);
});

test('filters by process and thread leave only their rows', () => {
  const model = decode(dataOf(SAMPLES));
  const total = (filter) => sum(rowWeights(model, 0, { ...NO_FILTER, ...filter }));
  assert.equal(total({}), 100);
  assert.equal(total({ process: { name: 'app' } }), 97);
  assert.equal(total({ process: { index: 1 } }), 3);
  assert.equal(total({ thread: { name: 'worker' } }), 7);
  assert.equal(total({ process: { name: 'other' }, thread: { name: 'worker' } }), 0);
});

test('a name that several processes share is one choice, with each of them one level in', () => {
  const model = decode(
    dataOf([
      { stack: ['a'], value: 1, pid: 10, process: 'cc' },
      { stack: ['a'], value: 5, pid: 11, process: 'cc' },
      { stack: ['a'], value: 4, pid: 12, process: 'sh' },
    ]),
  );
  assert.deepEqual(
    processChoices(model, 0).map(({ label, weight, inner }) => [label, weight, inner]),
    [
      ['cc · 2 processes', 6, false],
      ['cc (11)', 5, true],
      ['cc (10)', 1, true],
      ['sh (12)', 4, false],
    ],
  );
});

test('the thread choices follow the process filter', () => {
  const model = decode(dataOf(SAMPLES));
  assert.deepEqual(
    threadChoices(model, 0, { process: { name: 'app' } }).map(({ label }) => label),
    ['app (1)', 'worker (3)'],
  );
});

test('grouping puts process names, processes or threads at the root', () => {
  const model = decode(dataOf(SAMPLES));
  const roots = (grouping) => {
    const tree = treeOf(model, { grouping });
    return [...tree.func]
      .filter((fn, node) => tree.depth[node] === 1)
      .map((fn) => model.functions[fn].name)
      .sort();
  };
  assert.deepEqual(roots('name'), ['app', 'other']);
  assert.deepEqual(roots('process'), ['app (1)', 'other (2)']);
  const threads = treeOf(model, { grouping: 'thread' });
  assert.deepEqual(
    [...threads.func]
      .filter((fn, node) => threads.depth[node] === 2)
      .map((fn) => model.functions[fn].name)
      .sort(),
    ['app (1)', 'other (2)', 'worker (3)'],
  );
});

test('a function counts once per stack under recursion', () => {
  const model = decode(
    dataOf([
      { stack: ['f', 'g', 'f', 'f'], value: 10 },
      { stack: ['f'], value: 5 },
    ]),
  );
  const { self, total } = functionTotals(model, rowWeights(model, 0));
  assert.deepEqual([total[functionNamed(model, 'f')], self[functionNamed(model, 'f')]], [15, 15]);
  assert.deepEqual([total[functionNamed(model, 'g')], self[functionNamed(model, 'g')]], [10, 0]);
});

test('a cut stack counts for its kind with all of its weight', () => {
  const model = decode(
    dataOf([
      { stack: ['[truncated: x]@truncated', 'a'], value: 3 },
      { stack: ['a'], value: 7 },
    ]),
  );
  const kinds = weightByKind(model, functionTotals(model, rowWeights(model, 0)));
  assert.deepEqual(Object.fromEntries(kinds), { truncated: 3, native: 10 });
});

test('self by kind adds up to the whole', () => {
  const model = decode(dataOf(SAMPLES));
  const kinds = weightByKind(model, functionTotals(model, rowWeights(model, 0)));
  assert.deepEqual(Object.fromEntries(kinds), { native: 10, inlined: 70, kernel: 20 });
});

test('the table sorts by each column in both directions', () => {
  const model = decode(dataOf(SAMPLES));
  const totals = functionTotals(model, rowWeights(model, 0));
  const names = (column, ascending, matched) =>
    sortedFunctions(model, totals, column, ascending, matched).map((fn) => model.functions[fn].name);
  assert.deepEqual(names('self', false), ['add', 'vfs_read', 'work', 'main', 'read']);
  assert.deepEqual(names('total', false), ['main', 'work', 'add', 'read', 'vfs_read']);
  assert.deepEqual(names('name', true), ['add', 'main', 'read', 'vfs_read', 'work']);
  assert.deepEqual(names('name', false), ['work', 'vfs_read', 'read', 'main', 'add']);
  assert.deepEqual(names('self', false, matchFunctions(model.functions, compileQuery('read'))), ['vfs_read', 'read']);
});

test('a query is a regular expression without regard to case, unless it has capitals', () => {
  assert.equal(compileQuery(''), null);
  assert.ok(compileQuery('^VEC|list$'.toLowerCase()).matches('Vector'));
  assert.ok(!compileQuery('Vec').matches('vector'));
  assert.ok(compileQuery('\\Dx').matches('AX'), 'an escape is no capital letter');
});

test('what is no regular expression is searched as text', () => {
  const query = compileQuery('operator[](');
  assert.equal(query.isRegex, false);
  assert.ok(query.matches('T::Operator[](int)'));
  assert.ok(!query.matches('operator'));
});

test('the matched share counts nested matches once', () => {
  const model = decode(dataOf(SAMPLES));
  const tree = treeOf(model);
  const matches = outermostMatches(tree, matchFunctions(model.functions, compileQuery('work|add|vfs')));
  assert.equal(matchedWeight(tree, matches, 0, 100), 97);
  assert.equal(matchedWeight(tree, matches, 70, 90), 20);
  assert.deepEqual(
    matches.map((node) => model.functions[tree.func[node]].name),
    ['work', 'vfs_read'],
  );
});

test('a sandwich merges all occurrences', () => {
  const model = decode(
    dataOf([
      { stack: ['a', 'x', 'p'], value: 1 },
      { stack: ['b', 'x', 'p'], value: 2 },
      { stack: ['b', 'x', 'q'], value: 4 },
      { stack: ['b'], value: 8 },
    ]),
  );
  const { callers, callees } = sandwichTrees(
    rowSequences(model, 'none'),
    rowWeights(model, 0),
    functionNamed(model, 'x'),
  );
  assert.deepEqual(folded(callers, model.functions), { x: [7, 0], 'x;a': [1, 1], 'x;b': [6, 6] });
  assert.deepEqual(folded(callees, model.functions), { x: [7, 0], 'x;p': [3, 3], 'x;q': [4, 4] });
});

test('a sandwich cuts recursion at the outermost call', () => {
  const model = decode(dataOf([{ stack: ['a', 'x', 'b', 'x', 'c'], value: 5 }]));
  const { callers, callees } = sandwichTrees(
    rowSequences(model, 'none'),
    rowWeights(model, 0),
    functionNamed(model, 'x'),
  );
  assert.deepEqual(folded(callers, model.functions), { x: [5, 0], 'x;a': [5, 5] });
  assert.deepEqual(Object.keys(folded(callees, model.functions)).at(-1), 'x;b;x;c');
  assert.equal(callees.total[0], 5);
});

test('lines of a function count once per stack', () => {
  const model = decode(
    dataOf([
      { stack: ['f:3', 'f:3', 'f:4'], value: 5 },
      { stack: ['f:4', 'g'], value: 1 },
    ]),
  );
  assert.deepEqual(linesOf(model, rowWeights(model, 0), functionNamed(model, 'f')), [
    { line: 4, self: 5, total: 6 },
    { line: 3, self: 0, total: 5 },
  ]);
});

test('sums agree between tree and table on random stacks', () => {
  let state = 7;
  const random = (n) => (state = (state * 1103515245 + 12345) % 2147483648) % n;
  const samples = Array.from({ length: 500 }, () => ({
    stack: Array.from({ length: random(12) }, () => 'f' + random(6)),
    value: 1 + random(9),
    pid: random(3),
    tid: random(5),
  }));
  const model = decode(dataOf(samples));
  const weights = rowWeights(model, 0);
  const { total, self } = functionTotals(model, weights);
  for (const grouping of ['none', 'thread']) {
    const tree = treeOf(model, { grouping });
    assert.equal(tree.total[0], sum(weights));
    const inTree = new Float64Array(model.functions.length);
    const outermost = new Float64Array(model.functions.length);
    for (let node = 1; node < tree.count; node++) {
      inTree[tree.func[node]] += tree.self[node];
      let above = tree.parent[node];
      while (above > 0 && tree.func[above] !== tree.func[node]) above = tree.parent[above];
      if (above <= 0) outermost[tree.func[node]] += tree.total[node];
    }
    for (let fn = 0; fn < model.groupStart; fn++) {
      assert.equal(inTree[fn], self[fn]);
      assert.equal(outermost[fn], total[fn]);
    }
  }
});
