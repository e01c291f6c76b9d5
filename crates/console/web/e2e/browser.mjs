// A headless Chromium for the end-to-end tests. CHROMIUM names another one than Debian's.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { chromium } from 'playwright-core';

/** Where the page is served. */
export const PAGE_URL = (process.env.PAGE_URL ?? 'http://127.0.0.1:8080').replace(/\/$/, '');

/** Nothing in these tests waits longer; nothing passes or fails by being faster. */
export const PATIENCE_MS = 60_000;

const ARGUMENTS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--font-render-hinting=none',
];

/** Starts a browser with a profile of its own; `stop` ends it and removes the profile. */
export async function startBrowser() {
  const profile = await mkdtemp(join(tmpdir(), 'headwater-e2e-'));
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    headless: true,
    args: ARGUMENTS,
    env: { ...process.env, HOME: profile },
  });
  const stop = async () => {
    await browser.close();
    await rm(profile, { recursive: true, force: true });
  };
  return { browser, stop };
}

/** Asks again until `holds` says so; fails with `what` when patience ends. */
export async function eventually(what, holds) {
  const deadline = Date.now() + PATIENCE_MS;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`it never came true that ${what}`);
    await new Promise((later) => setTimeout(later, 300));
  }
}

/** A tab of its own context. `errors` collects what the console and the page complain of. */
export async function openTab(browser, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, locale: 'en-GB', ...options });
  context.setDefaultTimeout(PATIENCE_MS);
  const page = await context.newPage();
  const errors = [];
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') errors.push(message.text());
  });
  page.on('pageerror', (error) => errors.push(String(error)));
  return { page, errors, close: () => context.close() };
}
