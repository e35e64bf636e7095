/**
 * The seed of the property tests, and the runs that once failed.
 *
 * A run that fails prints its seed and path; put them here with the fault that they found, and they are run first, for
 * good.
 */
const environment = typeof process === "undefined" ? {} : process.env;

/** Where property tests start; TERCET_TEST_SEED takes another place. */
export const SEED = Number(environment.TERCET_TEST_SEED ?? 20_260_101);

/** How many runs a property test makes; TERCET_TEST_RUNS multiplies them. */
export function runs(usual: number): number {
  return usual * Number(environment.TERCET_TEST_RUNS ?? 1);
}

/** A run to repeat. */
export interface Kept {
  readonly seed: number;
  readonly path: string;
  /** What it found. */
  readonly why: string;
}

/** Runs of the history test. */
export const KEPT_HISTORIES: readonly Kept[] = [];
