// SPDX-License-Identifier: Apache-2.0
// Takes a picture of any page:
//   node open.mjs PAGE.html OUT.png [--width N] [--height N] [--scale N] [--dark] [--press KEY]… [--search TEXT] [--hover X,Y]
// Reports on stderr what went wrong in the page (requests, errors) and ends with status 1 then.
import { parseArgs } from 'node:util';
import { launch, openPage } from './browser.mjs';

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    width: { type: 'string', default: '1440' },
    height: { type: 'string', default: '900' },
    scale: { type: 'string', default: '1' },
    dark: { type: 'boolean', default: false },
    press: { type: 'string', multiple: true, default: [] },
    search: { type: 'string' },
    hover: { type: 'string' },
  },
});
if (positionals.length !== 2) {
  console.error(
    'usage: node open.mjs PAGE.html OUT.png [--width N] [--height N] [--scale N] [--dark] [--press KEY]… [--search TEXT] [--hover X,Y]',
  );
  process.exit(64);
}
const browser = await launch();
try {
  const { page, faults } = await openPage(browser, positionals[0], {
    width: Number(values.width),
    height: Number(values.height),
    scale: Number(values.scale),
    dark: values.dark,
  });
  await page.waitForLoadState('load');
  await page.waitForTimeout(500);
  for (const key of values.press) await page.keyboard.press(key);
  if (values.search !== undefined) await page.locator('input[type=search]').first().fill(values.search);
  if (values.hover) {
    const [x, y] = values.hover.split(',').map(Number);
    await page.mouse.move(x, y);
  }
  await page.waitForTimeout(300);
  await page.screenshot({ path: positionals[1] });
  for (const fault of faults) console.error(fault);
  process.exitCode = faults.length > 0 ? 1 : 0;
} finally {
  await browser.close();
}
