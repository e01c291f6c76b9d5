// Writes a picture of the ordering page: npm run screenshot -- PATH [ADDRESS] [WIDTH] [light|dark].

import { mkdir } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';

import { openTab, PAGE_URL, startBrowser } from './browser.mjs';

const [path = 'page.png', address = '/', width = '1280', colorScheme = 'light'] = process.argv.slice(2);

const { browser, stop } = await startBrowser();
try {
  const viewport = { width: Number(width), height: 900 };
  const { page } = await openTab(browser, { viewport, colorScheme, deviceScaleFactor: 1.5 });
  await page.goto(PAGE_URL + address);
  await page.getByTestId('live-status').getByText('Live').waitFor({ state: 'attached' });
  await page.locator('h1').first().waitFor();
  // Long enough for a few looks of the server, so that rates and the river have something to show.
  await page.waitForTimeout(Number(process.env.SETTLE_MS ?? 6000));
  await mkdir(dirname(resolve(path)), { recursive: true });
  await page.screenshot({ path, fullPage: false });
  console.log(`wrote ${path}`);
} finally {
  await stop();
}
