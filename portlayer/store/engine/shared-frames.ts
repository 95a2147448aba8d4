import type { Frame } from '../format/data-file.js';
import { FRAME_PAGES } from '../format/page.js';

/** Bytes of one frame's record in shared memory, where each has the place of its first position. */
export const RECORD_BYTES = 40;

/** Room for the frames of so many positions. */
export function sharedFrames(positions: number): Uint8Array {
  return new Uint8Array(new SharedArrayBuffer((Math.ceil(positions / FRAME_PAGES) + 1) * RECORD_BYTES));
}

/** Puts a frame in its place. */
export function noteFrame(shared: Uint8Array, frame: Frame): void {
  putFrame(shared, frame.first / FRAME_PAGES, frame);
}

/** Puts a frame's record at an index. */
export function putFrame(shared: Uint8Array, index: number, frame: Frame): void {
  const record = Buffer.from(shared.buffer, index * RECORD_BYTES, RECORD_BYTES);
  record.writeUInt32LE(frame.first, 0);
  record.writeUInt16LE(frame.pages, 4);
  record.writeUInt16LE(frame.coding, 6);
  record.writeUInt32LE(frame.length, 8);
  record.writeDoubleLE(frame.offset, 16);
  frame.digest.copy(record, 24, 0, 16);
}

/** The record at an index; undefined where none was put. */
export function frameOf(shared: Uint8Array, index: number): Frame | undefined {
  const record = Buffer.from(shared.buffer, index * RECORD_BYTES, RECORD_BYTES);
  if (record.readUInt16LE(4) === 0) return undefined;
  return {
    first: record.readUInt32LE(0),
    pages: record.readUInt16LE(4),
    coding: record.readUInt16LE(6),
    length: record.readUInt32LE(8),
    offset: record.readDoubleLE(16),
    digest: record.subarray(24, 40),
  };
}

/** The frame whose first position this is. */
export function frameAt(shared: Uint8Array, first: number): Frame | undefined {
  const index = first / FRAME_PAGES;
  return (index + 1) * RECORD_BYTES > shared.length ? undefined : frameOf(shared, index);
}

/** Every frame, in the order of positions. */
export function framesIn(shared: Uint8Array): readonly Frame[] {
  const frames: Frame[] = [];
  for (let index = 0; index < shared.length / RECORD_BYTES; index++) {
    const frame = frameOf(shared, index);
    if (frame) frames.push(frame);
  }
  return frames;
}
