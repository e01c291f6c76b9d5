/** What is in the basket, as it is kept in the tab and sent to the shop. Pure. */

import type { Product } from './types';

export type Basket = Record<string, number>;

export const MOST_OF_ONE = 20;

export function setQuantity(basket: Basket, product: string, quantity: number): Basket {
  const next = { ...basket };
  const bounded = Math.min(MOST_OF_ONE, Math.max(0, Math.trunc(quantity)));
  if (bounded > 0) next[product] = bounded;
  else delete next[product];
  return next;
}

export interface BasketLine { product: Product; quantity: number; cents: number }

/** The basket's lines in the order of the catalogue; what is no longer sold is left out. */
export function linesOf(basket: Basket, products: Product[]): BasketLine[] {
  return products
    .filter((product) => (basket[product.id] ?? 0) > 0)
    .map((product) => {
      const quantity = basket[product.id] ?? 0;
      return { product, quantity, cents: quantity * product.price_cents };
    });
}

export function totalOf(lines: BasketLine[]): number {
  return lines.reduce((sum, line) => sum + line.cents, 0);
}

/** A basket from storage; anything unexpected is an empty one. */
export function parseBasket(text: string | null): Basket {
  try {
    const read: unknown = JSON.parse(text ?? '{}');
    if (typeof read !== 'object' || read === null || Array.isArray(read)) return {};
    return Object.entries(read).reduce<Basket>(
      (basket, [product, quantity]) => (Number.isFinite(quantity) ? setQuantity(basket, product, Number(quantity)) : basket),
      {},
    );
  } catch {
    return {};
  }
}
