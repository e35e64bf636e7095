/** What a command is, and how its arguments are read. Parsing is node:util's; this adds help texts and messages. */
import { parseArgs } from "node:util";
import { UsageError } from "./errors.js";
import type { Io } from "./io.js";

/** One option of a command. */
export interface Option {
  readonly type: "string" | "boolean";
  /** What its value is, for the help: "n", "file", "a,b". */
  readonly value?: string;
  readonly help: string;
  /** May be given several times. */
  readonly multiple?: boolean;
}

/** The values of the options that were given. */
export type Values = Readonly<Record<string, string | boolean | readonly string[] | undefined>>;

/** What a command was called with. */
export interface Arguments {
  readonly positionals: readonly string[];
  readonly values: Values;
}

/** What a command answers with. */
export interface Answer {
  /** The one document that `--json` prints. */
  readonly json: unknown;
  /** What people read instead. */
  readonly text: string;
  /** The exit code; 0 when absent. */
  readonly exit?: number;
}

/** What a command works with besides its arguments. */
export interface Context extends Io {
  /** Whether `--json` was given: then nothing but the answer goes to stdout. */
  readonly json: boolean;
  /** Which backend to open, when one was named. */
  readonly backend?: "native" | "wasm";
  /** Writes a line for people at once; nothing with `--json`. */
  say(text: string): void;
}

/** A command of `tercet`. */
export interface Command {
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** The arguments after the name. */
  readonly usage: string;
  /** What it does, for its own help. */
  readonly about: string;
  readonly options: Readonly<Record<string, Option>>;
  /** Lines to type, and what they do. */
  readonly examples: readonly (readonly [line: string, what: string])[];
  run(args: Arguments, context: Context): Promise<Answer>;
}

/** Options that every command has. */
export const COMMON_OPTIONS: Readonly<Record<string, Option>> = {
  json: { type: "boolean", help: "print one JSON document on stdout" },
  backend: { type: "string", value: "native|wasm", help: "which build of the core to use" },
  help: { type: "boolean", help: "show this help" },
};

/** Reads the arguments after the command's name. */
export function readArguments(command: Command, argv: readonly string[]): Arguments {
  const options: Record<string, { type: "string" | "boolean"; multiple: boolean; short?: string }> = {};
  for (const [name, option] of Object.entries({ ...command.options, ...COMMON_OPTIONS })) {
    options[name] = { type: option.type, multiple: option.multiple === true };
  }
  options.help = { type: "boolean", multiple: false, short: "h" };
  try {
    const { positionals, values } = parseArgs({
      args: [...argv],
      options,
      allowPositionals: true,
      strict: true,
    });
    return { positionals, values: values as Values };
  } catch (error) {
    // The first sentence says what is wrong; the second explains parseArgs.
    const message = (error as Error).message.split(/\.(?:\s|$)/)[0] as string;
    throw new UsageError(message, command.name);
  }
}

/** Values of an option that takes names, given several times or with commas between them. */
export function names(values: Values, option: string): string[] | undefined {
  const given = values[option];
  if (given === undefined || typeof given === "boolean") return undefined;
  const list = (typeof given === "string" ? [given] : given).flatMap((item) => item.split(","));
  return list.map((name) => name.trim()).filter((name) => name !== "");
}

/** The value of an option that takes a whole number, 0 or more. */
export function wholeNumber(values: Values, option: string, command: string): number | undefined {
  const given = values[option];
  if (given === undefined) return undefined;
  const value = Number(given);
  if (!/^\d+$/.test(String(given)) || !Number.isSafeInteger(value)) {
    throw new UsageError(`--${option} takes a whole number, not "${String(given)}"`, command);
  }
  return value;
}

/** The value of an option that takes a string. */
export function string(values: Values, option: string): string | undefined {
  const given = values[option];
  return typeof given === "string" ? given : undefined;
}

/** The value of an option that takes a JSON object. */
export function jsonObject(
  values: Values,
  option: string,
  command: string,
): Record<string, unknown> | undefined {
  const given = string(values, option);
  if (given === undefined) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(given);
  } catch (error) {
    throw new UsageError(`--${option} is not JSON: ${(error as Error).message}`, command);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new UsageError(`--${option} takes a JSON object`, command);
  }
  return value as Record<string, unknown>;
}

/** The arguments between names: exactly these many, or from `least` to `most`. */
export function positionals(
  args: Arguments,
  command: Command | string,
  expected: readonly string[],
  rest = false,
): readonly string[] {
  const name = typeof command === "string" ? command : command.name;
  const given = args.positionals;
  const missing = expected[given.length];
  if (missing !== undefined) throw new UsageError(`the ${missing} is missing`, name);
  if (!rest && given.length > expected.length) {
    throw new UsageError(`"${given[expected.length]}" is one argument too many`, name);
  }
  return given;
}
