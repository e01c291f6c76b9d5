import type { OrderState } from './types';

export interface StateWords { title: string; doing: string; done: string; by: string }

/** What each state is called on the page: short title, what happens to reach it, what is true then, whose work it is. */
export const STATES: Record<OrderState, StateWords> = {
  received: { title: 'Received', doing: 'Taking your order', done: 'Order received', by: 'orders' },
  confirmed: { title: 'Confirmed', doing: 'Charging the card', done: 'Payment confirmed', by: 'transactions' },
  processed: { title: 'Processed', doing: 'Sending the confirmation', done: 'Confirmation e-mailed', by: 'emails' },
  assigned: { title: 'On its way', doing: 'Finding a driver', done: 'Driver on the way', by: 'drivers' },
  delivered: { title: 'Delivered', doing: 'Driving to you', done: 'Delivered', by: 'drivers' },
  rejected: { title: 'Rejected', doing: 'Charging the card', done: 'Payment declined', by: 'transactions' },
};

/** The path of an order that goes well. */
export const PATH: OrderState[] = ['received', 'confirmed', 'processed', 'assigned', 'delivered'];

export function isFinal(state: OrderState): boolean {
  return state === 'delivered' || state === 'rejected';
}

export type StepStatus = 'done' | 'current' | 'ahead' | 'failed';

/** The steps to show for an order in `state`: a rejected one ends at its second step. */
export function steps(state: OrderState): { state: OrderState; status: StepStatus }[] {
  if (state === 'rejected') {
    return [{ state: 'received', status: 'done' }, { state: 'rejected', status: 'failed' }];
  }
  const reached = PATH.indexOf(state);
  return PATH.map((step, index) => {
    if (index <= reached) return { state: step, status: 'done' };
    return { state: step, status: index === reached + 1 ? 'current' : 'ahead' };
  });
}

const REASONS: Record<string, string> = {
  card_declined: 'the card was declined',
  insufficient_funds: 'the account does not hold enough money',
  out_of_stock: 'an item is out of stock',
};

/** A reason as the services write it, in words. */
export function reasonInWords(reason: string | null): string {
  if (!reason) return 'no reason was given';
  return REASONS[reason] ?? reason.replaceAll('_', ' ');
}
