/** Runs one command line: finds the command, prints its answer or its error, gives the exit code. */
import { loadBackend } from "../backend.js";
import { TercetError } from "../errors.js";
import { info } from "../evaluate.js";
import { VERSION } from "../version.js";
import { type Answer, type Command, type Context, readArguments, string } from "./command.js";
import { evaluateQueries } from "./commands/evaluate.js";
import { get } from "./commands/get.js";
import { indexSources } from "./commands/index-sources.js";
import { compact, count, stats, verify } from "./commands/maintain.js";
import { recommend } from "./commands/recommend.js";
import { search } from "./commands/search.js";
import { exportFile, importFile, repairFolder } from "./commands/snapshot.js";
import { tune } from "./commands/tune.js";
import { tag, versions } from "./commands/versions.js";
import { EXIT, isAbort, UsageError } from "./errors.js";
import { helpOf, overview } from "./help.js";
import type { Io } from "./io.js";
import { count as grouped, plain } from "./style.js";

/** Every command, in the order of the help. */
export const COMMANDS: readonly Command[] = [
  indexSources,
  search,
  get,
  count,
  stats,
  evaluateQueries,
  tune,
  recommend,
  versions,
  tag,
  exportFile,
  importFile,
  verify,
  repairFolder,
  compact,
];

/** Runs the arguments after `tercet`. Never throws; the number is the exit code. */
export async function run(argv: readonly string[], io: Io): Promise<number> {
  const json = argv.includes("--json");
  try {
    const answer = await dispatch(argv, io, json);
    if (json) io.stdout.write(`${JSON.stringify(answer.json)}\n`);
    else if (answer.text !== "")
      io.stdout.write(answer.text.endsWith("\n") ? answer.text : `${answer.text}\n`);
    return answer.exit ?? EXIT.ok;
  } catch (error) {
    return fail(error, io, json);
  }
}

async function dispatch(argv: readonly string[], io: Io, json: boolean): Promise<Answer> {
  const [name, ...rest] = argv;
  if (name === undefined || name === "--help" || name === "-h" || name === "help") return help(rest[0]);
  const command = COMMANDS.find((candidate) => candidate.name === name);
  if (command === undefined) {
    if (argv.includes("--version") || name === "-v") return version(argv);
    if (argv.includes("--help") || argv.includes("-h")) return help(undefined);
    throw new UsageError(
      name.startsWith("-") ? `there is no option ${name}` : `there is no command "${name}"`,
    );
  }
  const args = readArguments(command, rest);
  if (args.values.help === true) return { json: { help: helpOf(command) }, text: helpOf(command) };
  const backend = string(args.values, "backend");
  if (backend !== undefined && backend !== "native" && backend !== "wasm") {
    throw new UsageError(`--backend takes native or wasm, not "${backend}"`, command.name);
  }
  const context: Context = {
    ...io,
    json,
    ...(backend === undefined ? {} : { backend }),
    say: (text) => {
      if (!json) io.stdout.write(`${text}\n`);
    },
  };
  return command.run(args, context);
}

function help(about: string | undefined): Answer {
  const command = COMMANDS.find((candidate) => candidate.name === about);
  if (about !== undefined && command === undefined && !about.startsWith("-")) {
    throw new UsageError(`there is no command "${about}"`);
  }
  const text = command === undefined ? overview(COMMANDS) : helpOf(command);
  return { json: { help: text }, text };
}

async function version(argv: readonly string[]): Promise<Answer> {
  const at = argv.indexOf("--backend");
  // Any other name is refused where backends are loaded.
  const choice = (at === -1 ? undefined : argv[at + 1]) as "native" | "wasm" | undefined;
  const { backend: loaded } = await loadBackend(choice);
  const reply = await info({ backend: choice });
  const lines = [
    `tercet ${VERSION}`,
    `core ${reply.version}, ${loaded.name} (${loaded.reason}), instruction set ${reply.isa} of ${reply.available.join(", ")}`,
    ...(reply.isaError == null ? [] : [`TERCET_ISA: ${reply.isaError}`]),
    `node ${process.versions.node}, ${process.platform} ${process.arch}`,
  ];
  return {
    json: { version: VERSION, backend: loaded, core: reply, node: process.versions.node },
    text: lines.join("\n"),
  };
}

function fail(error: unknown, io: Io, json: boolean): number {
  const interrupted = io.signal.aborted && isAbort(error);
  const exit = interrupted ? EXIT.interrupted : error instanceof UsageError ? EXIT.usage : EXIT.failed;
  if (json) io.stdout.write(`${JSON.stringify({ error: errorJson(error) })}\n`);
  else io.stderr.write(`${errorText(error, interrupted)}\n`);
  if (isSet(io.env.TERCET_DEBUG)) io.stderr.write(`${debugText(error)}\n`);
  return exit;
}

function isSet(value: string | undefined): boolean {
  return value !== undefined && value !== "" && value !== "0";
}

function errorJson(error: unknown): object {
  if (error instanceof TercetError) return error.toJSON();
  const message = error instanceof Error ? error.message : String(error);
  return {
    code: error instanceof UsageError ? "ERR_ARGUMENT" : isAbort(error) ? "ERR_ABORTED" : "ERR_INTERNAL",
    message,
  };
}

function errorText(error: unknown, interrupted: boolean): string {
  const committed = error instanceof TercetError ? (error.committed ?? 0) : 0;
  const written = committed === 0 ? "" : `\n${grouped(committed)} documents before it are in the collection`;
  if (interrupted) return `tercet: interrupted${written}`;
  if (error instanceof UsageError) {
    const help = error.command === undefined ? "tercet --help" : `tercet ${error.command} --help`;
    return `tercet: ${error.message}\nSee ${help}`;
  }
  const code = error instanceof TercetError ? error.code : "ERR_INTERNAL";
  const message = error instanceof Error ? error.message : String(error);
  return `tercet: ${code}: ${plain(message)}${written}`;
}

function debugText(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause === undefined ? "" : `\ncaused by: ${debugText(error.cause)}`;
  return `${error.stack ?? error.message}${cause}`;
}
