/** The one event stream of this tab. Pages name the parts they show; the stream is reopened when those change. */

import { SvelteMap } from 'svelte/reactivity';

import type { Notice, Problem } from './types';

export type LiveStatus = 'idle' | 'connecting' | 'live' | 'reconnecting';
type Handler = (data: never) => void;

const EVENTS = ['hello', 'overview', 'store', 'changes', 'order', 'tail', 'notice'];
/** Events that are the whole of what there is to show, so that who comes later is shown the last one. */
const FIGURES = ['overview', 'store', 'order'];
const RETRY_MS = [500, 1000, 2000, 4000];

class Live {
  status = $state<LiveStatus>('idle');
  /** What the server said a part cannot show, by part. */
  problems = new SvelteMap<string, Problem>();

  #parts = new Map<string, number>();
  #handlers = new Map<string, Set<Handler>>();
  #last = new Map<string, never>();
  #source: EventSource | null = null;
  #opened = '';
  #attempt = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor() {
    document.addEventListener('visibilitychange', () => this.#settle());
  }

  /** Shows `part` until the returned function is called. */
  use<T>(part: string, handler: (data: T) => void): () => void {
    const event = part.split(':')[0] ?? part;
    this.#parts.set(part, (this.#parts.get(part) ?? 0) + 1);
    const handlers = this.#handlers.get(event) ?? new Set();
    handlers.add(handler as Handler);
    this.#handlers.set(event, handlers);
    const last = this.#last.get(event);
    // The part is in the open stream, which will not begin again for it.
    if (last !== undefined && this.#opened.split(',').includes(part)) queueMicrotask(() => handlers.has(handler as Handler) && handler(last));
    this.#settle();
    return () => {
      handlers.delete(handler as Handler);
      const left = (this.#parts.get(part) ?? 1) - 1;
      if (left > 0) this.#parts.set(part, left);
      else this.#parts.delete(part);
      this.#settle();
    };
  }

  /** Opens the stream anew when the parts changed; a hidden tab keeps none. */
  #settle(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      const shown = new Set([...this.#parts.keys()].map((part) => part.split(':')[0]));
      for (const event of this.problems.keys()) if (!shown.has(event)) this.problems.delete(event);
      const wanted = document.hidden ? '' : [...this.#parts.keys()].sort().join(',');
      if (wanted === this.#opened && (this.#source || !wanted)) return;
      this.#attempt = 0;
      this.#open(wanted);
    }, 20);
  }

  #open(wanted: string): void {
    this.#source?.close();
    this.#source = null;
    this.#opened = wanted;
    this.#last.clear();
    if (!wanted) {
      this.status = 'idle';
      return;
    }
    if (this.status !== 'reconnecting') this.status = 'connecting';
    const source = new EventSource(`/api/events?topics=${encodeURIComponent(wanted)}`);
    this.#source = source;
    for (const name of EVENTS) {
      source.addEventListener(name, (event) => this.#deliver(name, (event as MessageEvent<string>).data));
    }
    source.onopen = () => {
      this.status = 'live';
      this.#attempt = 0;
    };
    // The browser's own retry gives up on an error status; ours goes on until the server is back.
    source.onerror = () => {
      source.close();
      if (this.#source !== source) return;
      this.#source = null;
      this.status = 'reconnecting';
      const wait = RETRY_MS[Math.min(this.#attempt, RETRY_MS.length - 1)];
      this.#attempt += 1;
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#open(wanted), wait);
    };
  }

  #deliver(name: string, text: string): void {
    const data = JSON.parse(text) as never;
    if (name === 'notice') {
      const notice = data as Notice;
      if (notice.problem) this.problems.set(notice.part, notice.problem);
    } else {
      this.problems.delete(name);
      if (FIGURES.includes(name)) this.#last.set(name, data);
    }
    for (const handler of this.#handlers.get(name) ?? []) handler(data);
  }
}

export const live = new Live();
