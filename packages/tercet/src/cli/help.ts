/** The help texts, made from the commands themselves. */
import { COMMON_OPTIONS, type Command, type Option } from "./command.js";

const EXIT_CODES = `Exit codes
  0    all was done
  1    something is wrong with the data or the collection
  2    the command was used wrongly
  130  interrupted`;

/** The help of `tercet` itself. */
export function overview(commands: readonly Command[]): string {
  const width = Math.max(...commands.map((command) => command.name.length));
  const list = commands.map((command) => `  ${command.name.padEnd(width)}  ${command.summary}`).join("\n");
  return `tercet: index documents in a folder, search them, and measure how well that goes

Usage: tercet <command> [arguments] [options]

Commands
${list}

Options
  --help     show this help, or a command's: tercet <command> --help
  --version  show the versions of the package and of its core, and the instruction set in use
  --json     (every command) print one JSON document on stdout

Environment
  TERCET_BACKEND  native or wasm
  TERCET_ISA      the instruction set to use: scalar, avx2, avx512, neon
  TERCET_DEBUG    1 prints the stack of an error
  NO_COLOR        1 prints without colours

${EXIT_CODES}

Example
  tercet index notes.jsonl --into ./notes
  tercet search ./notes "boundary layer"
`;
}

/** The help of one command. */
export function helpOf(command: Command): string {
  const options = { ...command.options, ...COMMON_OPTIONS };
  const heads = Object.entries(options).map(([name, option]) => [head(name, option), option.help] as const);
  const width = Math.max(...heads.map(([name]) => name.length));
  const lines = heads.map(([name, help]) => `  ${name.padEnd(width)}  ${help}`);
  const examples = command.examples.flatMap(([line, what]) => [`  ${line}`, `      ${what}`]);
  return `Usage: tercet ${command.name} ${command.usage}

${command.about}

Options
${lines.join("\n")}

Examples
${examples.join("\n")}
`;
}

function head(name: string, option: Option): string {
  return option.type === "boolean" ? `--${name}` : `--${name} <${option.value ?? "value"}>`;
}
