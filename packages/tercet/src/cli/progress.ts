/**
 * Progress on a terminal: one line that is written over, at most every 100 ms, and gone at the end. Nothing is written
 * where no person watches.
 */
import type { LongCallOptions } from "../call.js";
import type { Io } from "./io.js";
import { count, duration } from "./style.js";

const INTERVAL_MS = 100;
const BAR_CHARACTERS = 24;

/** How far something is. */
export class Progress {
  readonly #io: Io;
  readonly #label: string;
  readonly #noun: string;
  readonly #shown: boolean;
  readonly #started = performance.now();
  #last = Number.NEGATIVE_INFINITY;

  constructor(io: Io, label: string, noun = "documents") {
    this.#io = io;
    this.#label = label;
    this.#noun = noun;
    this.#shown = io.stderr.isTTY === true;
  }

  /** Milliseconds since the start. */
  get elapsedMs(): number {
    return performance.now() - this.#started;
  }

  /** Shows where it stands. `share` is 0 to 1, absent while the end is not known. */
  update(done: number, share?: number): void {
    const now = performance.now();
    if (!this.#shown || now - this.#last < INTERVAL_MS) return;
    this.#last = now;
    this.#io.stderr.write(`\r\u001b[K${this.#line(done, share)}`);
  }

  /** Options for a long call: shown while it runs, gone at its end. Work done is counted in the call's own unit. */
  watching(signal: AbortSignal): LongCallOptions {
    return {
      signal,
      onProgress: ({ done, total }) => {
        if (total !== undefined && done >= total) this.clear();
        else this.update(done, total === undefined ? undefined : done / total);
      },
    };
  }

  /** Takes the line away, so that other text can be written. */
  clear(): void {
    if (this.#shown && Number.isFinite(this.#last)) this.#io.stderr.write("\r\u001b[K");
    this.#last = Number.NEGATIVE_INFINITY;
  }

  #line(done: number, share: number | undefined): string {
    const rate = done / (this.elapsedMs / 1000);
    const tail = `${count(done)} ${this.#noun}, ${count(Math.round(rate))}/s`;
    if (share === undefined) return `${this.#label}  ${tail}`;
    const part = Math.min(1, Math.max(0, share));
    const left = part > 0.02 ? `, ${duration((this.elapsedMs / part) * (1 - part))} left` : "";
    const line = `${this.#label} ${bar(part)} ${String(Math.floor(part * 100)).padStart(3)}%  ${tail}${left}`;
    return line.slice(0, Math.max(20, (this.#io.stderr.columns ?? 80) - 1));
  }
}

/** A bar of fixed width for a share of 0 to 1. */
export function bar(share: number, characters: number = BAR_CHARACTERS): string {
  const full = Math.round(share * characters);
  return "█".repeat(full) + "░".repeat(characters - full);
}
