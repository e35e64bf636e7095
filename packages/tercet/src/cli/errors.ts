/** Errors of the command line: wrong usage, and what is wrong in a file, as the codes that the rest of tercet has. */
import { type ErrorDetails, TercetError } from "../errors.js";
import type { Code } from "../wire/index.js";

/** How the process ends. */
export const EXIT = {
  /** All was done. */
  ok: 0,
  /** Something is wrong with the data or the collection. */
  failed: 1,
  /** The command was used wrongly. */
  usage: 2,
  /** Interrupted (128 + SIGINT). */
  interrupted: 130,
} as const;

/** A command that was typed wrongly; ends with exit code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
  /** The command whose help explains it. */
  readonly command?: string;

  constructor(message: string, command?: string) {
    super(message);
    if (command !== undefined) this.command = command;
  }
}

/** A place in a source. */
export interface Place {
  readonly file: string;
  readonly line?: number | undefined;
}

/** An error about what stands in a file. */
export function inputError(
  code: Code,
  message: string,
  place: Place,
  details: ErrorDetails = {},
): TercetError {
  const where = place.line === undefined ? place.file : `${place.file}:${place.line}`;
  const { line, file } = place;
  return new TercetError(code, `${where}: ${message}`, {
    ...details,
    file,
    ...(line === undefined ? {} : { line }),
  });
}

/** A failure of the file system as an error with a code; errors that have one already stay as they are. */
export function ioError(error: unknown, file: string, verb: string): Error {
  if (error instanceof TercetError || isAbort(error)) return error as Error;
  const system = error as NodeJS.ErrnoException;
  const code = system.code === "ENOENT" ? "ERR_NOT_FOUND" : "ERR_IO";
  const what =
    system.code === "ENOENT" ? "there is no such file or folder" : `cannot ${verb} it: ${system.message}`;
  return inputError(code, what, { file }, { cause: error });
}

/** Whether an error only says that the signal was aborted. */
export function isAbort(error: unknown): boolean {
  if (error instanceof TercetError) return error.code === "ERR_ABORTED";
  return error instanceof Error && error.name === "AbortError";
}
