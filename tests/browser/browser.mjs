// SPDX-License-Identifier: Apache-2.0
// Starts Debian's chromium through playwright-core, which lives outside of the tree (see install_playwright).
import { createRequire } from 'node:module';
import { dirname, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const peers = process.env.KILN_PEERS ?? resolve(root, 'build/peers');
const { chromium } = createRequire(resolve(peers, 'package.json'))('playwright-core');

export function launch() {
  return chromium.launch({
    executablePath: process.env.KILN_CHROMIUM ?? '/usr/bin/chromium',
    args: [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
}

// A tab with the page of `path`, with all that went wrong in `faults`: requests other than the page itself, errors,
// messages on the console.
export async function openPage(browser, path, { width = 1440, height = 900, dark = false, scale = 1 } = {}) {
  const context = await browser.newContext({
    viewport: { width, height },
    deviceScaleFactor: scale,
    colorScheme: dark ? 'dark' : 'light',
    reducedMotion: 'reduce',
  });
  const page = await context.newPage();
  const url = /^https?:/.test(path) ? path : pathToFileURL(resolve(path)).href;
  const faults = [];
  page.on('request', (request) => {
    if (request.url() !== url && !request.url().startsWith('data:')) faults.push(`request: ${request.url()}`);
  });
  page.on('console', (message) => faults.push(`console ${message.type()}: ${message.text()}`));
  page.on('pageerror', (error) => faults.push(`error: ${error.message}`));
  await page.goto(url);
  return { context, page, faults };
}
