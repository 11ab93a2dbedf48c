// SPDX-License-Identifier: Apache-2.0
// speedscope_peer.mjs MODULES CHROMIUM FILE SCREENSHOT NAME…: opens FILE in speedscope and demands that its table of
// functions (the sandwich view) shows every NAME. MODULES is a node_modules folder with speedscope and playwright-core.
import { createRequire } from "node:module";
import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import path from "node:path";

const [modules, chromium, profile, screenshot, ...names] = process.argv.slice(2);
const playwright = createRequire(path.join(modules, "x.js"))("playwright-core");
const release = path.join(modules, "speedscope", "dist", "release");
const types = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".json": "application/json" };

// speedscope's release folder and /profile.json, on loopback.
const server = createServer(async (request, response) => {
  const name = new URL(request.url, "http://localhost").pathname;
  const file = name === "/profile.json" ? profile : path.join(release, path.normalize(name));
  try {
    const content = await readFile(file);
    response.writeHead(200, { "content-type": types[path.extname(file)] ?? "application/octet-stream" });
    response.end(content);
  } catch {
    response.writeHead(404).end();
  }
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const origin = `http://127.0.0.1:${server.address().port}`;

const browser = await playwright.chromium.launch({
  executablePath: chromium,
  args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
let failure;
const trouble = [];
try {
  const page = await browser.newPage({ viewport: { width: 1200, height: 800 } });
  page.on("pageerror", (error) => trouble.push(String(error)));
  page.on("dialog", (dialog) => { trouble.push(dialog.message()); dialog.dismiss(); });
  await page.goto(`${origin}/index.html#profileURL=${encodeURIComponent(`${origin}/profile.json`)}`);
  await page.getByText("Sandwich").click({ timeout: 60_000 });
  for (const name of names) {
    await page.getByText(name, { exact: true }).first().waitFor({ timeout: 30_000 });
    console.log(`speedscope shows ${name}`);
  }
  await page.screenshot({ path: screenshot });
} catch (error) {
  failure = error;
} finally {
  await browser.close();
  server.close();
}
if (failure || trouble.length > 0) {
  console.error(trouble.join("\n"), failure ?? "");
  process.exit(1);
}
