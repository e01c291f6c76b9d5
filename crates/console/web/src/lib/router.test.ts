import { beforeAll, describe, expect, it, vi } from 'vitest';

import type { Place, View } from './router.svelte';

let viewOf: (path: string) => View;
let withQuery: (place: Place, changes: Record<string, string | null>) => string;

beforeAll(async () => {
  // The module reads the address when it is loaded.
  vi.stubGlobal('window', { location: { pathname: '/', search: '', origin: '' }, addEventListener: () => {} });
  vi.stubGlobal('document', { addEventListener: () => {} });
  ({ viewOf, withQuery } = await import('./router.svelte'));
});

describe('addresses', () => {
  it('name their views', () => {
    expect(viewOf('/')).toEqual({ name: 'ordering' });
    expect(viewOf('/store/topics/a%20b')).toEqual({ name: 'topic', topic: 'a b' });
    expect(viewOf('/follow')).toEqual({ name: 'follow', order: null });
    expect(viewOf('/follow/1')).toEqual({ name: 'follow', order: '1' });
    for (const unknown of ['/x', '/store/topics', '/shop/1', '/follow/1/2/3', '/%']) {
      expect(viewOf(unknown)).toEqual({ name: 'unknown' });
    }
  });

  it('hold the state of the view and nothing empty', () => {
    const place = { path: '/shop', query: new URLSearchParams('q=a&order=1') };
    expect(withQuery(place, { q: null, order: '2' })).toBe('/shop?order=2');
    expect(withQuery(place, { q: null, order: '' })).toBe('/shop');
  });
});
