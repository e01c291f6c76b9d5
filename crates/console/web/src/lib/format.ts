/** Figures as a reader wants them. One language for now, so that a picture of the page is the same everywhere. */

const LOCALE = 'en-GB';
const money = new Intl.NumberFormat(LOCALE, { style: 'currency', currency: 'EUR' });
const wholeMoney = new Intl.NumberFormat(LOCALE, { style: 'currency', currency: 'EUR', maximumFractionDigits: 0 });
const integer = new Intl.NumberFormat(LOCALE, { maximumFractionDigits: 0 });
const oneDigit = new Intl.NumberFormat(LOCALE, { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const clock = new Intl.DateTimeFormat(LOCALE, { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const minutes = new Intl.DateTimeFormat(LOCALE, { hour: '2-digit', minute: '2-digit' });
const dayAndClock = new Intl.DateTimeFormat(LOCALE, {
  day: 'numeric', month: 'short', year: 'numeric', hour: '2-digit', minute: '2-digit', second: '2-digit',
});

export function formatMoney(cents: number): string {
  return money.format(cents / 100);
}

export function formatWholeMoney(cents: number): string {
  return wholeMoney.format(Math.trunc(cents / 100));
}

export function formatCount(count: number): string {
  return integer.format(count);
}

/** `null`: the server does not know. */
export function formatRate(perSecond: number | null): string {
  if (perSecond === null) return '–';
  if (perSecond === 0) return '0';
  if (perSecond < 0.1) return '< 0.1';
  return perSecond < 100 ? oneDigit.format(perSecond) : integer.format(perSecond);
}

export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const digits = unit === 0 || value >= 100 ? integer : oneDigit;
  return `${digits.format(value)} ${units[unit]}`;
}

/** A span of time in its two largest units: `840 ms`, `1.2 s`, `3 min 5 s`. */
export function formatSpan(ms: number): string {
  if (ms < 0) return `−${formatSpan(-ms)}`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${oneDigit.format(Math.floor(ms / 100) / 10)} s`;
  const pairs: [number, string, number, string][] = [
    [86_400_000, 'd', 3_600_000, 'h'],
    [3_600_000, 'h', 60_000, 'min'],
    [60_000, 'min', 1000, 's'],
  ];
  for (const [large, largeName, small, smallName] of pairs) {
    if (ms >= large) {
      const rest = Math.floor((ms % large) / small);
      const head = `${Math.floor(ms / large)} ${largeName}`;
      return rest > 0 ? `${head} ${rest} ${smallName}` : head;
    }
  }
  return `${ms} ms`;
}

/** How long ago, in whole seconds at least: a figure that is read again every second should not flicker. */
export function formatAge(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  return seconds < 60 ? `${seconds} s` : formatSpan(seconds * 1000);
}

export function formatMicros(micros: number): string {
  return micros < 1000 ? `${integer.format(micros)} µs` : `${oneDigit.format(micros / 1000)} ms`;
}

export function formatClock(ms: number): string {
  return clock.format(ms);
}

export function formatMinute(ms: number): string {
  return minutes.format(ms);
}

export function formatMoment(ms: number): string {
  return dayAndClock.format(ms);
}

/** The end of an id tells orders apart; its beginning is the time, which neighbours share. */
export function shortId(id: string): string {
  return id.length > 12 ? `…${id.slice(-8)}` : id;
}

export function plural(count: number, one: string, many: string): string {
  return `${formatCount(count)} ${count === 1 ? one : many}`;
}

/** JSON with two spaces; as it was when it is none. */
export function prettyJson(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
