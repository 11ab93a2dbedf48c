// SPDX-License-Identifier: Apache-2.0
// The page as a reader uses it. Environment: KILN_PAGES, the directory that make_pages filled; screenshots go there.
// The example's shares are known: of 100 samples work<int>(int) has 77, all in the inlined add(int); read 20, all in
// the kernel's vfs_read; the process "other" has 1, the thread "worker" 9.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launch, openPage } from './browser.mjs';

const pages = process.env.KILN_PAGES;
let browser;

before(async () => {
  browser = await launch();
});
after(() => browser.close());

// Opens a page, runs `use(page)` and demands that the page asked for nothing and complained of nothing.
async function visit(name, use, options) {
  const { context, page, faults } = await openPage(browser, `${pages}/${name}.html`, options);
  try {
    await page.waitForFunction(() => window.kiln !== undefined);
    await use(page);
    // The tests read pixels back, the page does not.
    assert.deepEqual(
      faults.filter((fault) => !fault.includes('willReadFrequently')),
      [],
    );
  } finally {
    await context.close();
  }
}

const shoot = (page, name) => page.screenshot({ path: `${pages}/${name}.png` });
const plain = (text) => text.replaceAll('\u202f', ' ');
const textOf = async (page, selector) => plain(await page.locator(selector).innerText());

// The middle of a frame of the graph in view, in the page's pixels. `nth` of the frames of this name, in tree order.
function placeOf(page, name, nth = 0, graph = 'flame') {
  return page.evaluate(
    ([name, nth, graph]) => {
      const { model, flame, sandwich } = window.kiln;
      const { scene, canvas, camera } = graph === 'flame' ? flame : sandwich[graph].graph;
      const { tree } = scene;
      const nodes = [...tree.func.keys()].filter(
        (node) => tree.func[node] >= 0 && model.functions[tree.func[node]].name === name,
      );
      const node = nodes[nth];
      const from = Math.max(camera.from, tree.start[node]);
      const to = Math.min(camera.to, tree.start[node] + tree.total[node]);
      const rect = canvas.getBoundingClientRect();
      const row = tree.depth[node] - scene.firstLevel;
      return {
        x: rect.left + (((from + to) / 2 - camera.from) / (camera.to - camera.from)) * scene.width,
        y:
          rect.top +
          (scene.flip ? scene.contentHeight - (row + 0.5) * 20 : (row + 0.5) * 20) -
          canvas.closest('.graph').scrollTop,
      };
    },
    [name, nth, graph],
  );
}

async function hover(page, name, nth, graph) {
  const { x, y } = await placeOf(page, name, nth, graph);
  await page.mouse.move(x, y);
  return textOf(page, '#tooltip');
}

async function click(page, name, nth, graph) {
  const { x, y } = await placeOf(page, name, nth, graph);
  await page.mouse.click(x, y);
}

// Share of the width that is in view.
const zoom = (page) =>
  page.evaluate(() => (window.kiln.flame.camera.to - window.kiln.flame.camera.from) / window.kiln.grandTotal);
const rowsOf = (page) =>
  page
    .locator('.functions tbody tr:not(.spacer)')
    .evaluateAll((rows) =>
      rows.map((row) => ({
        name: row.querySelector('.link').textContent,
        text: row.innerText.replaceAll('\u202f', ' '),
      })),
    );

test('no frame shows an empty canvas after a change of size', () =>
  visit('example', async (page) => {
    // Observers run in the order of their making and before the browser paints: this one sees what will be shown.
    const corner = await page.evaluate(
      () =>
        new Promise((resolve) => {
          const { canvas, box, ctx } = window.kiln.flame;
          const width = box.clientWidth;
          new ResizeObserver(() => {
            if (box.clientWidth !== width) resolve([canvas.width, ...ctx.getImageData(1, canvas.height - 2, 1, 1).data]);
          }).observe(box);
          box.style.width = `${width - 100}px`;
        }),
    );
    assert.deepEqual(corner, [1340, 255, 255, 255, 255]);
  }));

test('search shows the matched share', () =>
  visit('example', async (page) => {
    await page.keyboard.press('/');
    await page.keyboard.type('read|^add');
    assert.equal(await textOf(page, '#matches'), '97.0 % matched');
    await shoot(page, 'search');
    await page.locator('#search').fill('vfs[');
    assert.equal(await textOf(page, '#matches'), '0 % matched');
    assert.ok(await page.locator('#searchbox.plain').isVisible(), 'a broken expression is searched as text');
    await page.keyboard.press('Escape');
    assert.equal(await page.locator('#search').inputValue(), '');
    assert.equal(await textOf(page, '#matches'), '');
  }));

test('Ctrl F searches and Enter walks from match to match', () =>
  visit('example', async (page) => {
    await page.keyboard.press('Control+f');
    await page.keyboard.type('read');
    await page.keyboard.press('Enter');
    assert.match(await textOf(page, '#live'), /^read: 20\.0 % of all/);
  }));

test('the tooltip tells name, place, kind, self and total', () =>
  visit('example', async (page) => {
    const work = await hover(page, 'work<int>(int)');
    assert.match(work, /work<int>\(int\)/);
    assert.match(work, /work\.h:5/);
    assert.match(work, /native/);
    assert.match(work, /app · 0x2345/);
    assert.match(work, /samples\s+77 samples\s+0 samples/);
    assert.match(work, /CPU time\s+778 ms\s+0 s/);
    assert.match(work, /of all\s+77\.0 %\s+0 %/);
    assert.match(work, /of the parent\s+79\.4 %/);
    assert.match(await hover(page, 'add(int)'), /work\.h:1[\s\S]*inlined[\s\S]*of all\s+77\.0 %\s+77\.0 %/);
    assert.match(await hover(page, 'vfs_read'), /kernel/);
    assert.match(await hover(page, 'app'), /process\.pid = 42/);
    await page.mouse.move(700, 700);
    assert.ok(await page.locator('#tooltip').isHidden());
  }));

test('a click focuses a frame, Escape leads back', () =>
  visit('example', async (page) => {
    await click(page, 'read');
    assert.equal(await zoom(page), 0.2);
    assert.match(await hover(page, 'main'), /of all\s+97\.0 %/, 'ancestors stay in view');
    await page.keyboard.press('/');
    await page.keyboard.type('vfs');
    assert.equal(await textOf(page, '#matches'), '20.0 % matched · 100 % of view');
    await page.keyboard.press('Escape');
    await page.keyboard.press('Escape');
    await page.keyboard.press('Escape');
    assert.equal(await zoom(page), 1);
  }));

test('arrow keys walk along the frames and Enter focuses', () =>
  visit('example', async (page) => {
    for (const key of ['ArrowDown', 'ArrowDown', 'ArrowDown', 'ArrowDown', 'ArrowRight'])
      await page.keyboard.press(key);
    assert.match(await textOf(page, '#live'), /^read: 20\.0 %/);
    assert.match(await textOf(page, '#tooltip'), /read/);
    await page.keyboard.press('Enter');
    assert.equal(await zoom(page), 0.2);
    await page.keyboard.press('Backspace');
    assert.equal(await zoom(page), 1);
    await page.keyboard.press('+');
    assert.ok((await zoom(page)) < 1);
    await page.keyboard.press('0');
    assert.equal(await zoom(page), 1);
  }));

test('i turns the graph over and keeps what is where', () =>
  visit('example', async (page) => {
    const icicle = await placeOf(page, 'main');
    await page.keyboard.press('i');
    const flame = await placeOf(page, 'main');
    assert.ok(flame.y > icicle.y + 200);
    assert.match(await hover(page, 'vfs_read'), /vfs_read/);
    await shoot(page, 'flame');
  }));

test('the table sorts and is filtered by the search', () =>
  visit('example', async (page) => {
    await page.keyboard.press('t');
    const bySelf = await rowsOf(page);
    assert.deepEqual(
      bySelf.slice(0, 2).map(({ name }) => name),
      ['add(int)', 'vfs_read'],
    );
    assert.match(bySelf[0].text, /77\.0 %\s+778 ms\s+77\.0 %\s+778 ms/);
    await page.getByRole('button', { name: 'Total' }).click();
    assert.deepEqual(
      (await rowsOf(page)).slice(0, 2).map(({ name }) => name),
      ['main', 'add(int)'],
    );
    await page.getByRole('button', { name: 'Function' }).click();
    const names = (await rowsOf(page)).map(({ name }) => name);
    assert.deepEqual(names, [...names].sort());
    assert.equal(names.length, 8);
    await page.locator('#search').fill('read$');
    assert.deepEqual(
      (await rowsOf(page)).map(({ name }) => name),
      ['read', 'vfs_read'],
    );
  }));

test('a click in the table opens the sandwich, Escape returns to the table', () =>
  visit('example', async (page) => {
    await page.keyboard.press('t');
    await page.getByRole('button', { name: 'read', exact: true }).click();
    assert.match(await textOf(page, '.sandwich-head'), /read[\s\S]*total\s+20\.0 % · 202 ms[\s\S]*self\s+0 %/);
    assert.match(await hover(page, 'main', 0, 'callers'), /main[\s\S]*of the callee\s+100 %/);
    assert.match(await hover(page, 'vfs_read', 0, 'callees'), /vfs_read[\s\S]*of all\s+20\.0 %/);
    await page.keyboard.press('Escape');
    assert.ok(await page.locator('#table-view').isVisible());
  }));

test('a double click opens the sandwich and leaves the zoom as it was', () =>
  visit('example', async (page) => {
    const { x, y } = await placeOf(page, 'work<int>(int)');
    await page.mouse.dblclick(x, y);
    assert.match(await textOf(page, '.sandwich-head'), /work<int>\(int\)[\s\S]*77\.0 %/);
    assert.match(await textOf(page, '.lines'), /work\.h\s+:5\s+100 %/);
    await page.keyboard.press('Escape');
    assert.ok(await page.locator('#flame-view').isVisible());
    assert.equal(await zoom(page), 1);
  }));

test('the menu key opens the sandwich of the selected frame', () =>
  visit('example', async (page) => {
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('ContextMenu');
    assert.match(await textOf(page, '.sandwich-head h2'), /main/);
  }));

test('filters by process and thread leave their share', () =>
  visit('example', async (page) => {
    const root = () => page.evaluate(() => window.kiln.grandTotal);
    const choose = async (id, label) => {
      const value = await page
        .locator(`#${id} option`)
        .evaluateAll((options, label) => options.find((o) => o.text.includes(label)).value, label);
      await page.locator(`#${id}`).selectOption(value);
    };
    await choose('process', 'other (43)');
    assert.equal(await root(), 1);
    assert.match(await hover(page, 'main'), /of all\s+100 %/);
    await choose('process', 'app (42)');
    assert.equal(await root(), 99);
    assert.equal(await page.locator('#thread option').count(), 3, 'only threads of the process are offered');
    await choose('thread', 'worker (44)');
    assert.equal(await root(), 9);
    await page.keyboard.press('t');
    assert.match((await rowsOf(page))[0].text, /77\.8 %/);
    await choose('process', 'all');
    assert.equal(await root(), 100);
  }));

test('grouping and unit change what is shown', () =>
  visit('example', async (page) => {
    await page.locator('#grouping').selectOption('thread');
    assert.match(await hover(page, 'worker (44)'), /of all\s+9\.0 %/);
    await page.locator('#grouping').selectOption('none');
    assert.match(await hover(page, 'main'), /of all\s+98\.0 %/);
    await page.locator('#metric').selectOption({ label: 'samples' });
    await page.keyboard.press('t');
    assert.match((await rowsOf(page))[0].text, /77 samples/);
  }));

test('d switches between light and dark', () =>
  visit('example', async (page) => {
    const corner = () =>
      page.evaluate(() => [...window.kiln.flame.ctx.getImageData(5, window.kiln.flame.canvas.height - 5, 1, 1).data]);
    assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), 'light');
    assert.ok((await corner())[0] > 200);
    await page.keyboard.press('d');
    await page.waitForTimeout(100);
    assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), 'dark');
    assert.ok((await corner())[0] < 60);
  }));

test('dark is the default where the system is dark', () =>
  visit(
    'host',
    async (page) => {
      assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), 'dark');
      await shoot(page, 'host-dark');
    },
    { dark: true },
  ));

test('the panels open and close by key', () =>
  visit('host', async (page) => {
    await page.keyboard.press('?');
    assert.match(await textOf(page, '#help'), /callers and callees/);
    await shoot(page, 'help');
    await page.keyboard.press('Escape');
    assert.ok(await page.locator('#help').isHidden());
    assert.equal(await textOf(page, '#losses'), '12 samples lost');
    await page.locator('#losses').click();
    const about = await textOf(page, '#about');
    assert.match(about, /kiln\.samples\.lost\s+12/);
    assert.match(about, /kiln\.version\s+0\.1\.0/);
    assert.match(about, /997 Hz/);
    assert.match(about, /stacks that end in \[truncated: bad frame pointer\]\s+\d/);
    assert.match(about, /kiln\.processes\.events_lost\s+0/, 'nothing is hidden');
    await shoot(page, 'about');
  }));

test('all views stand in light, dark and narrow windows', async () => {
  for (const [name, options] of [
    ['light', {}],
    ['dark', { dark: true }],
    ['narrow', { width: 420, height: 800 }],
  ]) {
    await visit(
      'host',
      async (page) => {
        await shoot(page, `host-${name}`);
        await hover(page, 'start_thread');
        await shoot(page, `host-${name}-tooltip`);
        await page.keyboard.press('t');
        await shoot(page, `table-${name}`);
        await page.locator('.functions .link').first().click();
        await shoot(page, `sandwich-${name}`);
        const wide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
        assert.ok(!wide, `nothing sticks out of a ${name} window`);
      },
      options,
    );
  }
});

test('prints light, with the whole height and without controls', () =>
  visit(
    'host',
    async (page) => {
      await page.evaluate(() => dispatchEvent(new Event('beforeprint')));
      await page.emulateMedia({ media: 'print' });
      assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), 'light');
      assert.ok(await page.locator('#toolbar').isHidden());
      const { height, depth } = await page.evaluate(() => ({
        height: window.kiln.flame.scene.height,
        depth: window.kiln.flame.rows,
      }));
      assert.ok(height >= depth * 20);
      await page.screenshot({ path: `${pages}/print.png`, fullPage: true });
      await page.emulateMedia({ media: null });
      await page.evaluate(() => dispatchEvent(new Event('afterprint')));
      assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), 'dark');
      const pdf = (await page.pdf({ path: `${pages}/print.pdf`, preferCSSPageSize: true })).toString('latin1');
      assert.match(pdf, /\/Type \/Pages\s+\/Count 1\s/, 'the graph fits on one page');
    },
    { dark: true },
  ));

test('a profile without samples says so', () =>
  visit('empty', async (page) => {
    assert.match(await textOf(page, '#notice'), /No samples[\s\S]*-a/);
    assert.match(await textOf(page, '#title'), /sleep 10/);
    for (const key of ['t', 's', 'f', 'ArrowDown', 'Enter', '+', 'Escape', 'n', 'c', 'i'])
      await page.keyboard.press(key);
    await shoot(page, 'empty');
  }));

test('hostile names stay text', () =>
  visit('hostile', async (page) => {
    await page.locator('#grouping').selectOption('process');
    const hostile = await page.evaluate(() => window.kiln.model.functions[0].name);
    assert.match(
      await hover(page, hostile),
      /<\/script><script>window\.hacked=1<\/script><img src=x onerror=window\.hacked=1>/,
    );
    await page.keyboard.press('t');
    await page.keyboard.press('a');
    await page.keyboard.press('a');
    await page.locator('.functions .link').first().click();
    await shoot(page, 'hostile');
    assert.equal(await page.evaluate(() => window.hacked), undefined);
    assert.equal(await page.locator('img').count(), 0);
  }));

test('a click and a glide of a large profile', { timeout: 120000 }, () =>
  visit(
    'large',
    async (page) => {
      const figures = await page.evaluate(() => {
        const { kiln } = window;
        const { flame } = kiln;
        const time = (work) => {
          const times = Array.from({ length: 15 }, () => {
            const begin = performance.now();
            work();
            return performance.now() - begin;
          }).sort((a, b) => a - b);
          return `${times[7].toFixed(1)} (worst ${times[14].toFixed(1)})`;
        };
        const draw = () => {
          flame.draw();
          flame.ctx.getImageData(0, 0, 1, 1); // waits for the canvas
        };
        const all = time(draw);
        flame.scene.matched = kiln.model.functions.map((fn) => (/push_back|run/.test(fn.name) ? 1 : 0));
        const searched = time(draw);
        flame.scene.matched = null;
        flame.camera.zoomBy(0.3, kiln.grandTotal * 0.4);
        const zoomed = time(draw);
        const filter = time(() => kiln.setFilter({ process: { index: 0 }, thread: null }));
        kiln.setFilter({ process: null, thread: null });
        const sandwich = time(() => kiln.openSandwich(kiln.table.list[0] ?? 0));
        const { decode, sequences, tree, totals } = kiln.timings;
        return {
          stacks: kiln.model.stacks.offsets.length - 1,
          nodes: kiln.tree.count,
          size: `${flame.scene.width} x ${flame.scene.height}`,
          'unpack, decode and start': decode.toFixed(0),
          'sort sequences': sequences.toFixed(1),
          'build and lay out tree': tree.toFixed(1),
          'totals per function': totals.toFixed(1),
          'draw all': all,
          'draw with search': searched,
          'draw zoomed': zoomed,
          'change filter': filter,
          'open sandwich': sandwich,
        };
      });
      assert.ok(figures.stacks >= 20000);
      console.log('large profile, milliseconds:');
      for (const [name, value] of Object.entries(figures)) console.log(`  ${name.padEnd(26)} ${value}`);
      await shoot(page, 'large');
    },
    { width: 1600, height: 1000 },
  ),
);
