// A customer at the page: an order is placed on it and seen delivered on it.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { openTab, PAGE_URL, PATIENCE_MS, startBrowser } from './browser.mjs';

let browser;
let stop;

before(async () => ({ browser, stop } = await startBrowser()));
after(async () => stop?.());

/** Opens the shop, runs `steps`, and fails when the browser complained of anything. */
async function inShop(options, steps) {
  const { page, errors, close } = await openTab(browser, options);
  try {
    await page.goto(`${PAGE_URL}/shop`);
    await page.getByRole('button', { name: /^Add / }).first().waitFor();
    await steps(page);
    assert.deepEqual(errors, []);
  } finally {
    await close();
  }
}

async function waitForState(page, state) {
  await page.locator(`[data-testid="order"][data-state="${state}"]`).waitFor({ timeout: PATIENCE_MS });
}

test('an order placed on a phone is seen delivered, then followed through its topics', async () => {
  await inShop({ viewport: { width: 360, height: 740 } }, async (page) => {
    await page.getByRole('button', { name: /^Add / }).first().click();
    await page.getByRole('button', { name: /^One more / }).first().click();
    await page.getByRole('link', { name: 'Basket' }).click();
    await page.getByLabel('Your name').fill('Ada Lovelace');
    await page.getByRole('button', { name: /^Order for / }).click();
    await waitForState(page, 'delivered');
    assert.match(page.url(), /\/shop\?order=/);

    await page.getByRole('link', { name: 'Follow it through the topics' }).click();
    const events = page.getByTestId('timeline-event');
    await events.nth(4).waitFor();
    const text = await events.allInnerTexts();
    for (const [n, topic] of ['order_received', 'order_confirmed', 'order_processed', 'driver_assigned', 'order_delivered'].entries()) {
      assert.ok(text[n].includes(topic), `event ${n} is of ${topic}: ${text[n]}`);
    }
    assert.match(text[1], /\+\d/, 'the time between the steps is shown');
    await page.getByText('Headers and value').first().click();
    await page.getByText('traceparent').first().waitFor();
    await page.getByText('ada-lovelace').first().waitFor();
  });
});

test('a declined card ends in a rejected order that says why', async () => {
  await inShop({}, async (page) => {
    await page.getByRole('button', { name: /^Add / }).nth(2).click();
    await page.getByRole('link', { name: 'Basket' }).click();
    await page.getByRole('radio', { name: /0002/ }).check();
    await page.getByRole('button', { name: /^Order for / }).click();
    await waitForState(page, 'rejected');
    await page.getByText(/declined/).first().waitFor();
  });
});

test('an order can be placed with the keyboard alone, and focus is always visible', async () => {
  await inShop({ reducedMotion: 'reduce' }, async (page) => {
    const focused = () =>
      page.evaluate(() => {
        const element = document.activeElement;
        const outline = getComputedStyle(element).outlineStyle;
        return { name: element.getAttribute('aria-label') ?? element.textContent.trim(), tag: element.tagName, id: element.id, outline };
      });
    const tabTo = async (wanted) => {
      for (let n = 0; n < 60; n += 1) {
        await page.keyboard.press('Tab');
        const at = await focused();
        assert.notEqual(at.outline, 'none', `focus is visible on ${at.tag} ${at.name}`);
        if (wanted(at)) return;
      }
      assert.fail('the keyboard reaches it');
    };
    await page.keyboard.press('Tab');
    assert.equal((await focused()).name, 'Skip to the page');
    await page.keyboard.press('Enter');
    await tabTo((at) => at.name.startsWith('Add '));
    await page.keyboard.press('Enter');
    await page.getByRole('button', { name: /^One more / }).first().waitFor();
    // Past the rest of the list the way a keyboard user would: the link is the last of the shop.
    const basket = page.getByRole('link', { name: 'Basket' });
    await basket.focus();
    await page.keyboard.press('Enter');
    await page.getByLabel('Your name').waitFor();
    await tabTo((at) => at.name.startsWith('Order for '));
    await page.keyboard.press('Enter');
    await waitForState(page, 'delivered');
  });
});

test('what is searched for and put in the basket is still there after a reload', async () => {
  await inShop({}, async (page) => {
    const add = page.getByRole('button', { name: /^Add / });
    const all = await add.count();
    const name = (await add.first().getAttribute('aria-label')).replace('Add ', '');
    await page.getByLabel('Search products').fill(name.split(' ')[0]);
    await page.waitForFunction((before) => document.querySelectorAll('button[aria-label^="Add "]').length < before, all);
    await add.first().click();
    await page.reload();
    await page.getByRole('button', { name: /^One more / }).first().waitFor();
    assert.match(page.url(), /\?q=/);
  });
});
