import { describe, expect, it } from 'vitest';

import { formatAge, formatBytes, formatMicros, formatMoney, formatRate, formatSpan, plural, prettyJson, shortId } from './format';
import { sentence } from './words';

describe('figures', () => {
  it('shows money with cents', () => {
    expect(formatMoney(123_456)).toBe('€1,234.56');
  });

  it('shows a span in its two largest units', () => {
    expect([0, 840, 1_250, 61_000, 120_000, 3_660_000, 90_000_000].map(formatSpan)).toEqual([
      '0 ms', '840 ms', '1.2 s', '1 min 1 s', '2 min', '1 h 1 min', '1 d 1 h',
    ]);
  });

  it('never says that a span just below a minute is sixty seconds', () => {
    expect(formatSpan(59_999)).toBe('59.9 s');
  });

  it('shows an age in whole seconds and never a negative one', () => {
    expect([formatAge(-5), formatAge(1_999), formatAge(61_999)]).toEqual(['0 s', '1 s', '1 min 1 s']);
  });

  it('tells an unknown rate from none', () => {
    expect([null, 0, 0.01, 2.55, 1234.5].map(formatRate)).toEqual(['–', '0', '< 0.1', '2.6', '1,235']);
  });

  it('shows bytes in powers of 1024', () => {
    expect([0, 1023, 1536, 150 * 1024 * 1024].map(formatBytes)).toEqual(['0 B', '1,023 B', '1.5 KiB', '150 MiB']);
  });

  it('shows microseconds and milliseconds', () => {
    expect([formatMicros(950), formatMicros(2_400)]).toEqual(['950 µs', '2.4 ms']);
  });

  it('shortens ids to the end that differs', () => {
    expect(shortId('01990429-bb1a-7abc-8def-000000000013')).toBe('…00000013');
    expect(shortId('short')).toBe('short');
  });

  it('counts with the right word', () => {
    expect([plural(1, 'item', 'items'), plural(1200, 'item', 'items')]).toEqual(['1 item', '1,200 items']);
  });

  it('leaves what is no JSON as it is', () => {
    expect(prettyJson('{"a":1}')).toBe('{\n  "a": 1\n}');
    expect(prettyJson('{"a":')).toBe('{"a":');
  });

  it('makes sentences of what the server says', () => {
    expect([sentence('no answer'), sentence('Done.'), sentence('')]).toEqual(['No answer.', 'Done.', '']);
  });
});
