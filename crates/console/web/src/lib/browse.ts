/** Where the message browser begins, between the address and the form. Pure. */

export type StartKind = 'newest' | 'oldest' | 'offset' | 'time';
export interface Start { kind: StartKind; argument: string }

/** `from` of the address as the form shows it; a cursor of an older or newer page shows as its direction. */
export function parseStart(from: string): Start {
  const [kind = '', argument = ''] = split(from);
  if (kind === 'offset') return { kind, argument };
  if (kind === 'time') return { kind, argument: localTime(Number(argument)) };
  return { kind: kind === 'oldest' || kind === 'after' ? 'oldest' : 'newest', argument: '' };
}

/** The form's start as `from` of the address; null when it is the default or cannot be understood. */
export function formatStart({ kind, argument }: Start): string | null {
  if (kind === 'newest') return null;
  if (kind === 'oldest') return 'oldest';
  if (kind === 'offset') return /^\d+$/.test(argument.trim()) ? `offset:${argument.trim()}` : null;
  const ms = Date.parse(argument);
  return Number.isNaN(ms) ? null : `time:${ms}`;
}

function split(from: string): [string, string] {
  const at = from.indexOf(':');
  return at < 0 ? [from, ''] : [from.slice(0, at), from.slice(at + 1)];
}

/** As an input of type datetime-local takes it. */
export function localTime(ms: number): string {
  if (!Number.isFinite(ms)) return '';
  const at = new Date(ms);
  const two = (n: number): string => String(n).padStart(2, '0');
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  return `${day}T${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

/** The newest `most` of a live tail, newest first, after `arrived` (in order of arrival). */
export function prepend<T>(shown: T[], arrived: T[], most: number): T[] {
  return [...[...arrived].reverse(), ...shown].slice(0, most);
}
