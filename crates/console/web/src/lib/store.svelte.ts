/** The last look at the store, kept from page to page so that each begins with something to show. */

import { live } from './live.svelte';
import type { StoreView } from './types';

const RATES = 40;

class Store {
  view = $state.raw<StoreView | null>(null);
  /** The last rates of each topic, oldest first. */
  rates = $state.raw<Map<string, number[]>>(new Map());

  /** Keeps the view fresh until the returned function is called. */
  watch(): () => void {
    return live.use<StoreView>('store', (view) => {
      this.view = view;
      this.rates = new Map(
        view.topics.map((topic) => {
          const before = this.rates.get(topic.name) ?? [];
          return [topic.name, [...before, topic.records_per_second ?? 0].slice(-RATES)];
        }),
      );
    });
  }
}

export const store = new Store();

/** The largest lag of any group, by topic: how far behind its slowest reader is. */
export function lagByTopic(view: StoreView): Map<string, number> {
  const lags = new Map<string, number>();
  for (const group of view.groups) {
    const ofGroup = new Map<string, number>();
    for (const { topic, lag } of group.partitions) ofGroup.set(topic, (ofGroup.get(topic) ?? 0) + lag);
    for (const [topic, lag] of ofGroup) lags.set(topic, Math.max(lags.get(topic) ?? 0, lag));
  }
  return lags;
}
