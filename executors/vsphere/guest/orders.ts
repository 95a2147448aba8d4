import { setTimeout as sleep } from 'node:timers/promises';
import { PortLayerError } from '../../../portlayer/errors/port-layer-error.js';
import { type Down, encodeDown } from './values.js';

/** What is to be written for one guest: numbered orders, and how far its lines were taken. One write at a time. */
export interface Orders {
  /** Goes on from what a service before wrote. */
  restore(down: Down | undefined): void;
  /** Which machine the guest is told that it is. */
  self(): string;
  /** The guest runs, or runs anew: orders are for this boot from now on. The newest of its lines that were taken before. */
  begin(boot: string): number;
  /** An order; its number. */
  add(text: string): number;
  /** The guest has carried out everything up to this number. */
  taken(number: number): void;
  /** Lines up to this number need not be kept by the guest any more. */
  acknowledge(number: number): void;
  close(): void;
}

/** An acknowledgement alone is no hurry: it waits so long for an order to go with, in milliseconds. */
const LATER_MS = 100;
const RETRY_MS = 500;

/** @param write writes the key `down`; it is tried again until it succeeds or the orders are closed */
export function createOrders(
  write: (value: string) => Promise<void>,
  log: (message: string) => void,
): Orders {
  let down: Down = { self: '', role: '', boot: '', acknowledged: 0, last: 0, orders: [] };
  let last = 0;
  let writing = false;
  let dirty = false;
  let closed = false;
  let timer: NodeJS.Timeout | undefined;

  async function flush(): Promise<void> {
    if (writing) return;
    writing = true;
    while (dirty && !closed && down.boot !== '') {
      dirty = false;
      const value = encodeDown({ ...down, last });
      await write(value).catch(async caught => {
        dirty = true;
        if (closed) return;
        log(`word to a guest: ${PortLayerError.from(caught).message}`);
        await sleep(RETRY_MS, undefined, { ref: false });
      });
    }
    writing = false;
  }

  function soon(ms: number): void {
    dirty = true;
    if (ms === 0) {
      clearTimeout(timer);
      timer = undefined;
      void flush();
      return;
    }
    timer ??= setTimeout(() => {
      timer = undefined;
      void flush();
    }, ms).unref();
  }

  return {
    restore(before) {
      if (!before || before.self === down.self) return;
      const waiting = down.orders;
      down = before;
      last = Math.max(last, before.last, ...before.orders.map(order => order.number));
      // What was asked for before the machine was found.
      const known = new Set(before.orders.map(order => order.number));
      for (const { text } of waiting.filter(order => !known.has(order.number)))
        down = { ...down, orders: [...down.orders, { number: ++last, text }] };
      if (waiting.length > 0) soon(0);
    },
    self: () => down.self,
    begin(boot) {
      if (down.boot === boot) return down.acknowledged;
      down = { ...down, boot, acknowledged: 0 };
      if (down.orders.length > 0) soon(0);
      return 0;
    },
    add(text) {
      const number = ++last;
      down = { ...down, orders: [...down.orders, { number, text }] };
      soon(0);
      return number;
    },
    taken(number) {
      last = Math.max(last, number);
      down = { ...down, orders: down.orders.filter(order => order.number > number) };
    },
    acknowledge(number) {
      if (number <= down.acknowledged) return;
      down = { ...down, acknowledged: number };
      soon(LATER_MS);
    },
    close() {
      closed = true;
      clearTimeout(timer);
    },
  };
}
