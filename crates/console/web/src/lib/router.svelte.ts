/** The address is the state of the view: path for the page, query for what is chosen on it. */

export interface Place { path: string; query: URLSearchParams }

export type View =
  | { name: 'ordering' }
  | { name: 'shop' }
  | { name: 'topics' }
  | { name: 'groups' }
  | { name: 'topic'; topic: string }
  | { name: 'follow'; order: string | null }
  | { name: 'unknown' };

export function viewOf(path: string): View {
  let parts: string[];
  try {
    parts = path.split('/').filter(Boolean).map(decodeURIComponent);
  } catch {
    return { name: 'unknown' };
  }
  const [first, second, third, ...more] = parts;
  if (more.length > 0) return { name: 'unknown' };
  if (first === undefined) return { name: 'ordering' };
  if (first === 'shop' && second === undefined) return { name: 'shop' };
  if (first === 'follow' && third === undefined) return { name: 'follow', order: second ?? null };
  if (first === 'store') {
    if (second === undefined) return { name: 'topics' };
    if (second === 'groups' && third === undefined) return { name: 'groups' };
    if (second === 'topics' && third !== undefined) return { name: 'topic', topic: third };
  }
  return { name: 'unknown' };
}

/** The address with `changes` made to its query; an empty or null value takes the key away. */
export function withQuery(place: Place, changes: Record<string, string | null>): string {
  const query = new URLSearchParams(place.query);
  for (const [key, value] of Object.entries(changes)) {
    if (value) query.set(key, value);
    else query.delete(key);
  }
  const text = query.toString();
  return text ? `${place.path}?${text}` : place.path;
}

function here(): Place {
  return { path: window.location.pathname, query: new URLSearchParams(window.location.search) };
}

class Router {
  place = $state.raw<Place>(here());
  view = $derived(viewOf(this.place.path));

  constructor() {
    window.addEventListener('popstate', () => (this.place = here()));
    document.addEventListener('click', (event) => this.#follow(event));
  }

  go(address: string): void {
    const before = this.place.path;
    history.pushState(null, '', address);
    this.place = here();
    if (this.place.path !== before) {
      window.scrollTo(0, 0);
      // A reader of the screen and the keyboard go on at the new page's beginning.
      requestAnimationFrame(() => document.getElementById('main')?.focus({ preventScroll: true }));
    }
  }

  /** Changes the query in place: typing a filter is not a step to go back to. */
  replace(changes: Record<string, string | null>): void {
    history.replaceState(null, '', withQuery(this.place, changes));
    this.place = here();
  }

  /** Changes the query as a step to go back to. */
  change(changes: Record<string, string | null>): void {
    this.go(withQuery(this.place, changes));
  }

  get(key: string): string {
    return this.place.query.get(key) ?? '';
  }

  #follow(event: MouseEvent): void {
    if (event.defaultPrevented || event.button !== 0) return;
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const link = event.target instanceof Element ? event.target.closest('a') : null;
    if (!link || link.origin !== window.location.origin || link.target || link.hasAttribute('download')) return;
    if (link.hash || link.pathname.startsWith('/api/')) return;
    event.preventDefault();
    this.go(link.pathname + link.search);
  }
}

export const router = new Router();
