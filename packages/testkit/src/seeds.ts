/**
 * The seed of every property test, and the runs that once failed.
 *
 * A run that fails prints its seed and path; put them here with the fault that they found, and they are run first, for
 * good.
 */
export const SEED = 20_260_101;

/** A run to repeat. */
export interface Kept {
  readonly seed: number;
  readonly path: string;
  /** What it found. */
  readonly why: string;
}

/** Runs of the history test. */
export const KEPT_HISTORIES: readonly Kept[] = [];
