/** The process as commands see it, so that tests can stand in for it. */

/** A stream that text is written to. */
export interface Sink {
  write(text: string): unknown;
  /** Whether a person watches it. */
  readonly isTTY?: boolean | undefined;
  /** Its width in characters. */
  readonly columns?: number | undefined;
}

/** What a command may touch of its process. */
export interface Io {
  readonly stdout: Sink;
  readonly stderr: Sink;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Aborted when the user interrupts. */
  readonly signal: AbortSignal;
}

/** Whether a sink takes colours: a terminal, unless NO_COLOR is set (no-color.org) or the terminal is "dumb". */
export function hasColour(sink: Sink, env: Io["env"]): boolean {
  if (env.NO_COLOR !== undefined && env.NO_COLOR !== "") return false;
  return sink.isTTY === true && env.TERM !== "dumb";
}
