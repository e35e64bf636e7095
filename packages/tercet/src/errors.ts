/**
 * The one error that tercet throws, and how a failed call of the core becomes one.
 *
 * Two copies of this module may live in one program (an old and a new install, a bundle and a plain import), so an
 * error is recognised by a brand under a registered symbol and not by the identity of the class.
 */
import type { Code, WireError } from "./wire/index.js";

const BRAND = Symbol.for("tercet.TercetError");

/** Where an error happened and what was wrong: everything but its code and its message. */
export type ErrorDetails = Omit<WireError, "code" | "message"> & {
  /** Documents that earlier batches of the same `upsert` had already written. */
  readonly committed?: number;
  /** The error or the abort reason behind this one. */
  readonly cause?: unknown;
};

const DETAILS = [
  "field",
  "position",
  "id",
  "component",
  "expected",
  "found",
  "file",
  "line",
  "committed",
] as const satisfies readonly (keyof ErrorDetails)[];

/**
 * Every failure of tercet. Branch on {@link TercetError.code}: codes never change, messages may.
 *
 * A call that fails has changed nothing, except an `upsert` from an iterable or a stream: that one works in batches,
 * and {@link TercetError.committed} counts the documents of the batches before the one that failed.
 *
 * `error instanceof TercetError` holds across ESM and CommonJS and across duplicate installs.
 *
 * @example
 * try {
 *   await papers.upsert(documents);
 * } catch (error) {
 *   if (error instanceof TercetError && error.code === "ERR_DIMENSION") console.error(error.position, error.field);
 *   else throw error;
 * }
 */
export class TercetError extends Error {
  /** What went wrong, in a word that never changes: `ERR_DIMENSION`, `ERR_LOCKED`, ... */
  readonly code: Code;
  /** The field of the schema, or the part of the request. */
  declare readonly field?: string;
  /** The document's position in the call, from 0. */
  declare readonly position?: number;
  /** The document's id. */
  declare readonly id?: string | number;
  /** The position inside a vector, from 0. */
  declare readonly component?: number;
  /** What was expected. */
  declare readonly expected?: string;
  /** What came instead. */
  declare readonly found?: string;
  /** The file concerned. */
  declare readonly file?: string;
  /** The line of that file, from 1. */
  declare readonly line?: number;
  /** Documents that earlier batches of the same `upsert` had already written; absent where there was none. */
  declare readonly committed?: number;

  /**
   * @param code the stable code
   * @param message one sentence: what, where, expected and found
   * @param details the place, and what was expected and found
   */
  constructor(code: Code, message: string, details: ErrorDetails = {}) {
    super(message, "cause" in details ? { cause: details.cause } : undefined);
    this.code = code;
    const target = this as Record<string, unknown>;
    for (const key of DETAILS) {
      if (details[key] !== undefined) target[key] = details[key];
    }
  }

  /** `TercetError`. On the prototype, like the names of the language's own errors. */
  override get name(): string {
    return "TercetError";
  }

  /** What {@link TercetError} is recognised by. */
  private get [BRAND](): true {
    return true;
  }

  /** The error as plain data, for logs and for another thread. */
  toJSON(): WireError & { readonly name: string; readonly committed?: number } {
    const out: Record<string, unknown> = { name: this.name, code: this.code, message: this.message };
    for (const key of DETAILS) {
      if (this[key] !== undefined) out[key] = this[key];
    }
    return out as ReturnType<TercetError["toJSON"]>;
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    // biome-ignore lint/complexity/noThisInStatic: a subclass inherits this method and must be told apart.
    if (this !== TercetError) return Function.prototype[Symbol.hasInstance].call(this, value);
    return typeof value === "object" && value !== null && BRAND in value;
  }
}

/** Where a public method was called, noted so that an error found later points there. */
export type CallSite = { stack?: string } | undefined;

/** A public method of this package. */
export type Method = (...args: never[]) => unknown;

/**
 * Whose stack an error gets: a call site noted before, or the method itself as long as its caller still stands on the
 * stack. Noting one costs 5 to 10 microseconds, so calls that answer at once do it only when they fail.
 */
export type Site = CallSite | Method;

type Capture = (target: object, below?: Method) => void;
const captureStackTrace = (Error as unknown as { captureStackTrace?: Capture }).captureStackTrace;

/**
 * Notes the caller of `method`, once. Engines without `captureStackTrace` give errors the stack of the place where they
 * were noticed.
 */
export function callSite(method: Site): CallSite {
  if (typeof method !== "function") return method;
  if (captureStackTrace === undefined) return undefined;
  const site: { stack?: string } = {};
  captureStackTrace(site, method);
  return site;
}

/** Gives an error the stack of the call that it belongs to. */
export function located<E extends Error>(error: E, from: Site): E {
  const site = callSite(from);
  if (site?.stack === undefined) return error;
  const frames = site.stack.slice(site.stack.indexOf("\n"));
  const stack = `${error.name}: ${error.message}${site.stack.includes("\n") ? frames : ""}`;
  Object.defineProperty(error, "stack", { value: stack, configurable: true, writable: true });
  return error;
}

/** A `WireError` (JSON text) as the error to throw. */
export function fromWire(json: string, site?: Site, extra?: Partial<ErrorDetails>): TercetError {
  let wire: WireError;
  try {
    wire = JSON.parse(json) as WireError;
  } catch (cause) {
    const shown = json.slice(0, 200);
    return new TercetError("ERR_INTERNAL", `the core sent an unreadable error: ${shown}`, { cause });
  }
  const { code, message, ...details } = wire;
  return located(new TercetError(code, message, { ...details, ...extra }), site);
}

/** The error of a call whose signal was aborted; its cause is the signal's reason. */
export function aborted(signal: AbortSignal, extra?: Partial<ErrorDetails>): TercetError {
  return new TercetError("ERR_ABORTED", "the call was aborted by its signal", {
    cause: signal.reason,
    ...extra,
  });
}

/** A value in at most 60 characters, for messages. */
export function shown(value: unknown): string {
  let text: string;
  if (typeof value === "string") text = JSON.stringify(value);
  else if (typeof value === "bigint") text = `${value}n`;
  else if (typeof value === "function") text = "a function";
  else if (typeof value === "symbol") text = "a symbol";
  else if (Array.isArray(value)) text = `an array of ${value.length}`;
  else if (typeof value === "object" && value !== null) text = `a ${value.constructor?.name ?? "object"}`;
  else text = String(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}
