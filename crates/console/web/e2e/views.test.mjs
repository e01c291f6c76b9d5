// Every view: what it shows, at every width and theme, and without barriers.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { after, before, test } from 'node:test';

import { eventually, openTab, PAGE_URL, startBrowser } from './browser.mjs';

const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

let browser;
let stop;
let topic;
let order;

before(async () => {
  ({ browser, stop } = await startBrowser());
  const placed = await fetch(`${PAGE_URL}/orders`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'idempotency-key': crypto.randomUUID() },
    body: JSON.stringify({ customer_id: 'e2e', items: [{ product_id: await firstProduct(), quantity: 1 }], card: '4242424242424242' }),
  });
  assert.equal(placed.status, 202);
  order = (await placed.json()).id;
  // The topic as this order says it: a shared cluster has others of that name with another prefix.
  await eventually('the order has an event', async () => {
    const timeline = await fetch(`${PAGE_URL}/api/orders/${order}/timeline`);
    topic = timeline.ok ? (await timeline.json()).events[0]?.topic : undefined;
    return topic !== undefined;
  });
});
after(async () => stop?.());

async function firstProduct() {
  return (await (await fetch(`${PAGE_URL}/products`)).json())[0].id;
}

async function placeOrder() {
  const answer = await fetch(`${PAGE_URL}/orders`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'idempotency-key': crypto.randomUUID() },
    body: JSON.stringify({ customer_id: 'e2e-tail', items: [{ product_id: await firstProduct(), quantity: 1 }] }),
  });
  return (await answer.json()).id;
}

/** Opens `address`, runs `steps`, and fails when the browser complained of anything. */
async function at(address, options, steps) {
  const { page, errors, close } = await openTab(browser, options);
  try {
    await page.goto(PAGE_URL + address);
    await page.locator('h1').first().waitFor();
    await steps(page);
    assert.deepEqual(errors, [], address);
  } finally {
    await close();
  }
}

/** The views, each with what shows that its figures have come. */
function views() {
  return [
    ['/', '[data-testid="state-delivered"]'],
    ['/shop', 'button[aria-label^="Add "]'],
    [`/shop?order=${order}`, '[data-testid="order"]'],
    ['/follow', 'form[role="search"]'],
    [`/follow/${order}`, '[data-testid="timeline-event"]'],
    ['/store', '[data-testid="topic"]'],
    ['/store/groups', '[data-testid="group"]'],
    [`/store/topics/${topic}`, '[data-testid="record"]'],
  ];
}

test('the ordering page moves as orders do', async () => {
  await at('/', {}, async (page) => {
    const delivered = page.getByTestId('delivered-total');
    await delivered.waitFor();
    const count = async () => Number((await delivered.innerText()).replaceAll(',', ''));
    const first = await count();
    await placeOrder();
    await eventually('more are delivered', async () => (await count()) > first);
    await page.getByText('All of it holds.').waitFor();
    await page.getByText('The same as a table').click();
    await page.getByRole('region', { name: /Revenue per minute/ }).waitFor();
  });
});

test('the store lists topics and groups with their figures', async () => {
  await at('/store', {}, async (page) => {
    await page.getByTestId('topic').filter({ hasText: topic }).waitFor();
    await page.getByRole('link', { name: 'Consumer groups' }).click();
    const group = page.getByTestId('group').filter({ hasText: /transactions/ }).first();
    await group.getByRole('button').click();
    await group.getByText(/behind/).first().waitFor();
    await group.getByRole('columnheader', { name: 'Committed' }).waitFor();
    assert.match(page.url(), /open=/);
  });
});

test('the message browser finds a record and shows all of it', async () => {
  const id = await placeOrder();
  await at(`/store/topics/${topic}?q=${id}`, {}, async (page) => {
    const record = page.getByTestId('record').first();
    // The event may be on its way from the outbox still.
    await eventually('the record is found', async () => {
      if ((await record.count()) > 0) return true;
      await page.getByRole('button', { name: 'Show' }).click();
      return false;
    });
    await record.getByRole('button').click();
    await record.getByText('Headers').waitFor();
    assert.ok((await record.innerText()).includes(id));
  });
});

test('a live tail shows a new record and only what it is filtered for', async () => {
  await at(`/store/topics/${topic}?tail=1&q=e2e-tail`, {}, async (page) => {
    await page.getByTestId('tail-status').filter({ hasText: 'Following' }).waitFor();
    const id = await placeOrder();
    await page.getByTestId('record').filter({ hasText: id }).waitFor();
    await page.getByRole('button', { name: 'Stop following' }).click();
    await page.getByRole('button', { name: 'Follow live' }).waitFor();
  });
});

test('nothing is wider than the page at 360, 768 and 1280 px', async () => {
  for (const width of [360, 768, 1280]) {
    for (const [address, ready] of views()) {
      await at(address, { viewport: { width, height: 800 } }, async (page) => {
        await page.locator(ready).first().waitFor();
        const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
        assert.ok(over <= 0, `${address} at ${width} px: ${over} px too wide`);
      });
    }
  }
});

test('no view has a barrier that axe knows, in light and in dark', async () => {
  const barriers = [];
  for (const colorScheme of ['light', 'dark']) {
    for (const [address, ready] of views()) {
      await at(address, { colorScheme, reducedMotion: 'reduce', bypassCSP: true }, async (page) => {
        await page.locator(ready).first().waitFor();
        await page.evaluate(axe);
        const { violations } = await page.evaluate(() => window.axe.run());
        for (const { id, nodes } of violations) {
          barriers.push(`${address} in ${colorScheme}: ${id}: ${nodes[0].html} ${nodes[0].failureSummary}`);
        }
      });
    }
  }
  assert.deepEqual(barriers, []);
});

test('the theme follows the system until another is chosen, and the choice stays', async () => {
  await at('/', { colorScheme: 'dark' }, async (page) => {
    const paper = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const dark = await paper();
    await page.getByRole('button', { name: 'Dark theme' }).click();
    const light = await paper();
    assert.notEqual(light, dark);
    await page.reload();
    assert.equal(await paper(), light);
  });
});

test('an unknown address and an unknown order say so and offer a way on', async () => {
  const { page, close } = await openTab(browser);
  try {
    const answer = await page.goto(`${PAGE_URL}/no/such/page`);
    assert.equal(answer.status(), 404);
    await page.getByRole('heading', { name: 'No such page' }).waitFor();
    await page.goto(`${PAGE_URL}/follow/00000000-0000-7000-8000-000000000000`);
    await page.getByText('There is no such order').waitFor();
  } finally {
    await close();
  }
});

test('the page says that the server is gone and goes on when it is back', async () => {
  const { page, close } = await openTab(browser);
  try {
    await page.goto(`${PAGE_URL}/`);
    await page.getByTestId('live-status').getByText('Live').waitFor();
    await page.route('**/api/events**', (route) => route.abort());
    // A changed view opens the stream anew, which now fails as it does when the server is gone.
    await page.getByRole('link', { name: 'Store', exact: true }).click();
    await page.getByRole('alert').getByText('does not answer').waitFor();
    await page.unroute('**/api/events**');
    await page.getByTestId('live-status').getByText('Live').waitFor();
    await page.getByTestId('topic').first().waitFor();
  } finally {
    await close();
  }
});
