/** Applies changes to the figures between two looks of the server, so that the page moves as orders do. Pure. */

import type { OrderChange, OrderSummary, Overview } from './types';

/** The newest orders with `changes` applied; orders not in the list are left to the server's next look. */
export function applyChanges(newest: OrderSummary[], changes: OrderChange[]): OrderSummary[] {
  const latest = new Map(changes.map((change) => [change.order_id, change]));
  return newest.map((order) => {
    const change = latest.get(order.id);
    if (!change || change.at_ms < order.updated_at_ms) return order;
    return { ...order, state: change.state, driver: change.driver ?? order.driver, updated_at_ms: change.at_ms };
  });
}

export function countOf(overview: Overview, state: string): number {
  return overview.orders_by_state.find((entry) => entry.state === state)?.count ?? 0;
}

/** One sentence that says what the chart shows. */
export function revenueInWords(minutes: { revenue_cents: number; minute_ms: number }[], money: (cents: number) => string): string {
  const first = minutes[0];
  if (!first) return 'No revenue yet.';
  const best = minutes.reduce((most, minute) => (minute.revenue_cents > most.revenue_cents ? minute : most), first);
  const sum = minutes.reduce((total, minute) => total + minute.revenue_cents, 0);
  return `${money(sum)} in the last ${minutes.length} minutes; at most ${money(best.revenue_cents)} in one minute. The last minute is still running.`;
}

/** Minutes shown at least, so that a young shop's first minutes are a line and not a needle. */
const LEAST_MINUTES = 12;

/** The minutes since the first revenue: a shop that opened just now has no empty hour before it. */
export function sinceOpening<M extends { revenue_cents: number }>(minutes: M[]): M[] {
  const first = minutes.findIndex((minute) => minute.revenue_cents !== 0);
  const from = Math.min(first === -1 ? minutes.length : first, minutes.length - LEAST_MINUTES);
  return minutes.slice(Math.max(from, 0));
}
