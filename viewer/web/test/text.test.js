// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Camera } from '../camera.js';
import { baseName, formatBytes, formatCount, formatDuration, formatShare, formatValue } from '../format.js';
import { actionFor } from '../keyboard.js';
import { collapseName, shortNames } from '../names.js';
import { KINDS, THEMES, functionColors, kindColor, oklch } from '../palette.js';

const plain = (text) => text.replaceAll('\u202f', ' ');

test('counts are grouped by thousands', () => {
  assert.deepEqual([0, 999, 1000, 1234567].map(formatCount).map(plain), ['0', '999', '1 000', '1 234 567']);
});

test('shares keep what is small visible and what is not all apart from all', () => {
  const shares = [
    [0, 10],
    [1, 1e6],
    [12, 10000],
    [5, 100],
    [123, 1000],
    [99999, 100000],
    [7, 7],
    [1, 0],
  ];
  assert.deepEqual(
    shares.map(([part, whole]) => plain(formatShare(part, whole))),
    ['0 %', '<0.01 %', '0.12 %', '5.0 %', '12.3 %', '>99.9 %', '100 %', '–'],
  );
});

test('durations choose their unit', () => {
  assert.deepEqual([0, 12, 1500, 2.5e6, 999.9e6, 1.01e9, 99.96e9, 125e9, 7325e9].map(formatDuration).map(plain), [
    '0 s',
    '12.0 ns',
    '1.50 µs',
    '2.50 ms',
    '1.00 s',
    '1.01 s',
    '100 s',
    '2 min 05 s',
    '2 h 02 min',
  ]);
});

test('values are written with their unit', () => {
  assert.equal(plain(formatValue(2048, 'space', 'bytes')), '2.00 KiB');
  assert.equal(plain(formatBytes(17)), '17 B');
  assert.equal(formatValue(1, 'samples', 'count'), '1 sample');
  assert.equal(plain(formatValue(1500, 'samples', 'count')), '1 500 samples');
  assert.equal(plain(formatValue(3, 'wall', 'seconds')), '3.00 s');
  assert.equal(baseName('/usr/lib/libc.so.6'), 'libc.so.6');
  assert.equal(baseName('[kernel.kallsyms]'), '[kernel.kallsyms]');
});

test('template arguments and parameters collapse, brackets of the name stay', () => {
  const cases = {
    'std::vector<int, std::allocator<int>>::push_back(int&&)': 'std::vector<…>::push_back',
    'foo::bar(std::function<void (int)>) const': 'foo::bar',
    '(anonymous namespace)::Run(char const*)': '(anonymous namespace)::Run',
    'A::operator()(int) const': 'A::operator()',
    'bool operator<(A const&, B const&)': 'bool operator<',
    'A<int>::operator->()': 'A<…>::operator->',
    'operator<=><int>(A, A)': 'operator<=><…>',
    'main::{lambda(int)#1}::operator()(int) const': 'main::{lambda#1}::operator()',
    '<alloc::vec::Vec<T> as core::ops::Drop>::drop': '<alloc::vec::Vec<…> as core::ops::Drop>::drop',
    'net/http.(*conn).serve': 'net/http.(*conn).serve',
    'f<(a->b)>(int)': 'f<…>',
    'foo(int) [clone .isra.0]': 'foo',
    'LazyCompile:~run app.js:7': 'LazyCompile:~run app.js:7',
    'broken<int': 'broken<int',
    vfs_read: 'vfs_read',
  };
  for (const [name, expected] of Object.entries(cases)) assert.equal(collapseName(name), expected);
});

test('short names go from all to the last component', () => {
  assert.deepEqual(shortNames('void DB::Aggregator::run<false>(DB::Arena*) const'), [
    'void DB::Aggregator::run<false>(DB::Arena*) const',
    'DB::Aggregator::run<…>',
    'Aggregator::run<…>',
    'run<…>',
  ]);
  assert.deepEqual(shortNames('vfs_read'), ['vfs_read']);
  assert.deepEqual(shortNames('[libc.so.6+0x1::2]'), ['[libc.so.6+0x1::2]']);
  assert.deepEqual(shortNames('(anonymous namespace)::f()').at(-1), 'f');
});

test('short names never fail and never grow, whatever the name', () => {
  for (const name of [
    '',
    '::',
    '<<<<',
    '>>>(',
    'operator',
    'a::',
    '(',
    ')',
    '…',
    'x'.repeat(5000),
    '((((()))))',
    'a<b<c<d',
    '-> ->',
  ]) {
    const forms = shortNames(name);
    assert.equal(forms[0], name);
    for (let i = 1; i < forms.length; i++) assert.ok(forms[i].length < forms[i - 1].length);
  }
});

const relativeLuminance = (color) => {
  const [r, g, b] = (
    /^#/.test(color)
      ? color
          .slice(1)
          .match(/../g)
          .map((c) => parseInt(c, 16))
      : color.match(/\d+/g).map(Number)
  )
    .map((c) => c / 255)
    .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const contrast = (a, b) => {
  const [low, high] = [relativeLuminance(a), relativeLuminance(b)].sort((x, y) => x - y);
  return (high + 0.05) / (low + 0.05);
};

test('oklch gives the known corners of sRGB', () => {
  assert.equal(oklch(1, 0, 0), 'rgb(255,255,255)');
  assert.equal(oklch(0, 0, 0), 'rgb(0,0,0)');
  assert.equal(oklch(0.62796, 0.25768, 29.234), 'rgb(255,0,0)');
});

test('every frame colour carries its text with a contrast of at least 4.5', () => {
  for (const [name, theme] of Object.entries(THEMES)) {
    const functions = Object.keys(KINDS).flatMap((kind) =>
      Array.from({ length: 60 }, (_, i) => ({ kind, name: 'f' + i, module: 'm' + i })),
    );
    for (const color of functionColors(functions, name))
      assert.ok(contrast(color, theme.text) >= 4.5, `${name} ${color}`);
    assert.ok(contrast(theme.match, theme.matchText) >= 4.5);
  }
});

test('the kinds have colours of their own', () => {
  for (const theme of Object.keys(THEMES)) {
    const colors = Object.keys(KINDS).map((kind) => kindColor(kind, theme));
    assert.equal(new Set(colors).size, colors.length);
  }
});

test('keys that are typed into the search are text', () => {
  const search = { id: 'search' };
  assert.equal(actionFor({ key: 't' }, { tagName: 'CANVAS' }), 'table');
  assert.equal(actionFor({ key: 't' }, search), null);
  assert.equal(actionFor({ key: 'Escape' }, search), 'leaveSearch');
  assert.equal(actionFor({ key: 'f', ctrlKey: true }, { tagName: 'BODY' }), 'search');
  assert.equal(actionFor({ key: 'f', ctrlKey: true }, search), null);
  assert.equal(actionFor({ key: 'd', ctrlKey: true }, { tagName: 'BODY' }), null);
  assert.equal(actionFor({ key: 'ArrowDown' }, { tagName: 'SELECT' }), null);
});

test('the camera goes back step by step, a free zoom being one step', () => {
  globalThis.matchMedia = () => ({ matches: true });
  const camera = new Camera(() => {});
  camera.home(100);
  camera.visit(20, 60, 1);
  camera.visit(30, 40, 2);
  camera.zoomBy(0.5, 35);
  camera.zoomBy(0.5, 35);
  assert.deepEqual([camera.from, camera.to], [33.75, 36.25]);
  camera.back();
  assert.deepEqual([camera.from, camera.to], [30, 40]);
  camera.back();
  camera.back();
  assert.deepEqual([camera.from, camera.to, camera.canGoBack], [0, 100, false]);
});

test('the camera never leaves the graph', () => {
  const camera = new Camera(() => {});
  camera.home(100);
  camera.zoomBy(0.1, 99);
  camera.panBy(50);
  assert.equal(camera.to, 100);
  camera.panBy(-500);
  assert.equal(camera.from, 0);
  camera.zoomBy(1000, 5);
  assert.deepEqual([camera.from, camera.to], [0, 100]);
});
