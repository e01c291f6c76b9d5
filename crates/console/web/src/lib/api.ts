import type { Problem } from './types';

/** A request that did not work, with what the reader can do about it. */
export class Failed extends Error {
  constructor(readonly problem: Problem) {
    super(problem.detail);
  }
}

export function problemOf(error: unknown): Problem {
  if (error instanceof Failed) return error.problem;
  return {
    status: 0,
    title: 'The page failed',
    detail: error instanceof Error ? error.message : String(error),
    remedy: 'Reload the page; if it happens again, report it with this text',
  };
}

const GONE: Problem = {
  status: 0,
  title: 'The server cannot be reached',
  detail: 'nothing answers at this address any more',
  remedy: 'Start it again (headwater demo); the page goes on by itself',
};

export async function fetchJson<T>(address: string, init: RequestInit = {}): Promise<T> {
  let response: Response;
  try {
    response = await fetch(address, init);
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error;
    throw new Failed(GONE);
  }
  const text = await response.text();
  let body: unknown = null;
  try {
    body = JSON.parse(text);
  } catch {
    // Not JSON: what came is shown below.
  }
  if (!response.ok) throw new Failed(readProblem(response.status, body, text));
  return body as T;
}

/** A problem+json body, or as much of one as there is. */
export function readProblem(status: number, body: unknown, text: string): Problem {
  const fields = (typeof body === 'object' && body !== null ? body : {}) as Record<string, unknown>;
  const field = (name: string): string | null => (typeof fields[name] === 'string' ? (fields[name] as string) : null);
  return {
    status,
    title: field('title') ?? `The server answered ${status}`,
    detail: field('detail') ?? (text.slice(0, 300) || 'it gave no reason'),
    remedy: field('remedy') ?? 'Try again in a moment',
  };
}
