/** Geometry of the stream of orders: a river that is as wide as there are orders under way. Pure. */

export interface Point { x: number; y: number }
export interface Station { x: number; y: number; half: number }

/** Half the river's width for `count` orders: grows with the root, so that a crowd stays on the page. */
export function halfWidth(count: number, most: number): number {
  const least = 9;
  return Math.min(most, least + Math.sqrt(Math.max(0, count)) * 3);
}

/** A smooth ribbon through the stations; `across` is the direction of its width. */
export function ribbon(stations: Station[], vertical: boolean, share: number): string {
  const left = stations.map((station) => shift(station, vertical, -station.half * share));
  const right = stations.map((station) => shift(station, vertical, station.half * share)).reverse();
  const first = right[0];
  if (left.length < 2 || !first) return '';
  return `${curve(left, vertical, 'M')} L ${point(first)} ${curve(right, vertical, '')} Z`;
}

/** The line down the middle, shifted sideways by `share` of the width. */
export function line(stations: Station[], vertical: boolean, share: number): string {
  return curve(stations.map((station) => shift(station, vertical, station.half * share)), vertical, 'M');
}

function shift(station: Station, vertical: boolean, by: number): Point {
  return vertical ? { x: station.x + by, y: station.y } : { x: station.x, y: station.y + by };
}

function point({ x, y }: Point): string {
  return `${x.toFixed(1)} ${y.toFixed(1)}`;
}

function curve(points: Point[], vertical: boolean, start: string): string {
  const [first, ...rest] = points;
  if (!first) return '';
  let before = first;
  let path = start ? `${start} ${point(first)}` : '';
  for (const next of rest) {
    const middle = vertical ? (before.y + next.y) / 2 : (before.x + next.x) / 2;
    const one = vertical ? { x: before.x, y: middle } : { x: middle, y: before.y };
    const two = vertical ? { x: next.x, y: middle } : { x: middle, y: next.y };
    path += ` C ${point(one)} ${point(two)} ${point(next)}`;
    before = next;
  }
  return path.trim();
}
