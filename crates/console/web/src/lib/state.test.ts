import { describe, expect, it } from 'vitest';

import { readProblem } from './api';
import { linesOf, MOST_OF_ONE, parseBasket, setQuantity, totalOf } from './basket';
import { formatStart, localTime, parseStart, prepend } from './browse';
import { attemptFor, bodyOf, customerId, randomKey } from './order';
import { applyChanges, revenueInWords, sinceOpening } from './overview';
import { reasonInWords, steps } from './states';
import { halfWidth, ribbon } from './stream';
import type { OrderSummary } from './types';

describe('the basket', () => {
  const products = [
    { id: 'a', name: 'A', category: 'x', price_cents: 100 },
    { id: 'b', name: 'B', category: 'x', price_cents: 250 },
  ];

  it('adds up what is still sold', () => {
    const lines = linesOf({ b: 2, gone: 5, a: 1 }, products);
    expect(lines.map((line) => line.product.id)).toEqual(['a', 'b']);
    expect(totalOf(lines)).toBe(600);
  });

  it('keeps quantities within bounds and drops what is none', () => {
    expect(setQuantity({ a: 1 }, 'a', 0)).toEqual({});
    expect(setQuantity({}, 'a', 999)).toEqual({ a: MOST_OF_ONE });
  });

  it('reads only a basket from storage', () => {
    expect(parseBasket('{"a":2,"b":"x"}')).toEqual({ a: 2 });
    for (const wrong of [null, '', '[1]', '7', '{']) expect(parseBasket(wrong)).toEqual({});
  });
});

describe('placing an order', () => {
  it('keeps the key for the same order and takes a new one for another', () => {
    let made = 0;
    const random = (): string => `key-${(made += 1)}`;
    const first = attemptFor(null, 'same', random);
    expect(attemptFor(first, 'same', random)).toBe(first);
    expect(attemptFor(first, 'other', random).key).toBe('key-2');
  });

  it('makes keys of 128 bits', () => {
    expect(randomKey()).toMatch(/^[0-9a-f]{32}$/);
  });

  it('makes an id of a name', () => {
    expect([customerId('  Ada Lovelace! '), customerId('---'), customerId('c-0012')]).toEqual(['ada-lovelace', '', 'c-0012']);
    expect([customerId('J. R. R.'), customerId('...'), customerId('a..b...c'), customerId('李'), customerId('-.a.-')]).toEqual(['j.-r.-r', '', 'a.b.c', '', 'a']);
    expect(customerId(`${'a'.repeat(63)}.b`)).toBe('a'.repeat(63));
  });

  it('sends what the shop reads', () => {
    expect(JSON.parse(bodyOf('c', { a: 2 }, '42'))).toEqual({ customer_id: 'c', items: [{ product_id: 'a', quantity: 2 }], card: '42' });
  });
});

describe('the states of an order', () => {
  it('shows done, current and ahead', () => {
    expect(steps('processed').map((step) => step.status)).toEqual(['done', 'done', 'done', 'current', 'ahead']);
    expect(steps('delivered').every((step) => step.status === 'done')).toBe(true);
    expect(steps('rejected').map((step) => step.status)).toEqual(['done', 'failed']);
  });

  it('puts reasons in words', () => {
    expect([reasonInWords('card_declined'), reasonInWords('no_such_thing'), reasonInWords(null)]).toEqual([
      'the card was declined', 'no such thing', 'no reason was given',
    ]);
  });
});

describe('changes between two looks', () => {
  const order: OrderSummary = {
    id: '1', customer_id: 'c', state: 'received', total_cents: 1, items_count: 1, driver: null, created_at_ms: 10, updated_at_ms: 20,
  };

  it('move the orders they are about, the last one wins, and an older one changes nothing', () => {
    const change = (state: 'confirmed' | 'processed', at_ms: number) => ({ order_id: '1', state, at_ms, driver: null, reason: null });
    expect(applyChanges([order], [change('confirmed', 30), change('processed', 40)])[0]?.state).toBe('processed');
    expect(applyChanges([order], [change('confirmed', 5)])[0]).toBe(order);
  });

  it('say in words what the chart shows', () => {
    const minutes = [{ minute_ms: 0, revenue_cents: 100 }, { minute_ms: 60_000, revenue_cents: 300 }];
    expect(revenueInWords(minutes, (cents) => `${cents}c`)).toContain('400c in the last 2 minutes; at most 300c');
    expect(revenueInWords([], String)).toBe('No revenue yet.');
  });
});

describe('the message browser', () => {
  it('reads back the start it wrote', () => {
    for (const start of [{ kind: 'oldest', argument: '' }, { kind: 'offset', argument: '42' }] as const) {
      expect(parseStart(formatStart(start) ?? '')).toEqual(start);
    }
    const at = new Date(2026, 4, 3, 12, 30, 5).getTime();
    expect(formatStart({ kind: 'time', argument: localTime(at) })).toBe(`time:${at}`);
  });

  it('takes nonsense for the default', () => {
    expect(formatStart({ kind: 'offset', argument: '-3' })).toBeNull();
    expect(formatStart({ kind: 'time', argument: 'soon' })).toBeNull();
    expect(parseStart('before:0:1').kind).toBe('newest');
  });

  it('keeps the newest of a tail', () => {
    expect(prepend([3, 2, 1], [4, 5], 4)).toEqual([5, 4, 3, 2]);
  });
});

describe('the stream', () => {
  it('is bounded however many orders are under way', () => {
    expect(halfWidth(0, 40)).toBeGreaterThan(0);
    expect(halfWidth(1_000_000, 40)).toBe(40);
  });

  it('is a closed shape, and none for a single point', () => {
    expect(ribbon([{ x: 0, y: 0, half: 1 }, { x: 10, y: 0, half: 1 }], false, 1)).toMatch(/^M .* Z$/);
    expect(ribbon([{ x: 0, y: 0, half: 1 }], false, 1)).toBe('');
  });
});

describe('a problem', () => {
  it('is shown with what the server told of it', () => {
    expect(readProblem(422, { title: 'T', remedy: 'R' }, '')).toEqual({ status: 422, title: 'T', detail: 'it gave no reason', remedy: 'R' });
    expect(readProblem(502, null, 'Bad gateway').detail).toBe('Bad gateway');
  });
});

describe('the hour of a young shop', () => {
  const hour = (...cents: number[]) => cents.map((revenue_cents) => ({ revenue_cents }));
  const quiet = (minutes: number) => hour(...Array<number>(minutes).fill(0));

  it('begins with the first revenue', () => {
    const minutes = [...quiet(20), ...hour(5, 0, 7), ...quiet(37)];
    expect(sinceOpening(minutes)).toEqual([...hour(5, 0, 7), ...quiet(37)]);
  });

  it('is never a needle', () => {
    expect(sinceOpening([...quiet(58), ...hour(5, 7)])).toEqual([...quiet(10), ...hour(5, 7)]);
    expect(sinceOpening(quiet(60))).toHaveLength(12);
    expect(sinceOpening(hour(1, 2))).toHaveLength(2);
  });
});
