/** Sends an order. The key makes a repeated request one order, however often the network made us ask. */

import { fetchJson } from './api';
import type { Basket } from './basket';
import type { Order } from './types';

export interface Attempt { fingerprint: string; key: string }

/** The same key for the same order, a new one for another. */
export function attemptFor(previous: Attempt | null, fingerprint: string, random: () => string): Attempt {
  return previous?.fingerprint === fingerprint ? previous : { fingerprint, key: random() };
}

/** 128 random bits; `crypto.randomUUID` is missing on a page opened by an address of the local network. */
export function randomKey(): string {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

export function bodyOf(customer: string, basket: Basket, card: string): string {
  const items = Object.entries(basket).map(([product_id, quantity]) => ({ product_id, quantity }));
  return JSON.stringify({ customer_id: customer, items, card });
}

/** What a customer typed, as an id that the shop takes. */
export function customerId(typed: string): string {
  const kept = typed.trim().toLowerCase().replaceAll(/[^a-z0-9_.-]+/g, '-').replaceAll(/\.{2,}/g, '.');
  return bare(bare(kept).slice(0, 64));
}

/** Without dots and dashes at either end. */
function bare(id: string): string {
  return id.replaceAll(/^[-.]+|[-.]+$/g, '');
}

export function placeOrder(body: string, attempt: Attempt): Promise<Order> {
  return fetchJson<Order>('/orders', {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'idempotency-key': attempt.key },
    body,
  });
}
