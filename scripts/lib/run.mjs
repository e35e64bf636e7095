/**
 * Runs commands and prints what takes how long. A quiet command's output is shown only when it fails.
 */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

/** The repository's root. */
export const ROOT = fileURLToPath(new URL("../../", import.meta.url)).replace(/[\\/]$/, "");

const isWindows = process.platform === "win32";
const paint = (code, text) => (process.stdout.isTTY ? `\u001b[${code}m${text}\u001b[0m` : text);

/** A command that ended with something else than 0. */
export class CommandError extends Error {
  constructor(command, result) {
    super(`${command} ended with ${result.signal ?? `exit code ${result.code}`}`);
    this.output = result.output;
    this.code = result.code;
  }
}

/** What cannot be done on this machine, with what to type. Shown without a stack. */
export class Missing extends Error {}

/**
 * Runs a command to its end and collects its output.
 * @param {string} command
 * @param {string[]} args
 * @param {{ cwd?: string, env?: Record<string, string | undefined>, show?: boolean, fails?: boolean, timeout_s?: number }} options
 *   `show` lets the output through as it comes; `fails` returns a failure instead of throwing it
 * @returns {Promise<{ code: number | null, signal: string | null, output: string, stdout: string }>}
 */
export function run(command, args, options = {}) {
  const { cwd = ROOT, env = {}, show = false, fails = false, timeout_s } = options;
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", "pipe"],
      shell: isWindows && /^(npm|npx)$/.test(command),
      timeout: timeout_s === undefined ? undefined : timeout_s * 1000,
    });
    const all = [];
    const out = [];
    child.stdout.on("data", (bytes) => {
      all.push(bytes);
      out.push(bytes);
      if (show) process.stdout.write(bytes);
    });
    child.stderr.on("data", (bytes) => {
      all.push(bytes);
      if (show) process.stderr.write(bytes);
    });
    const ended = (code, signal) => {
      const result = { code, signal, output: String(Buffer.concat(all)), stdout: String(Buffer.concat(out)) };
      if (code === 0 || fails) resolve(result);
      else reject(new CommandError([command, ...args].join(" "), result));
    };
    child.on("error", (error) => {
      all.push(Buffer.from(`${error.message}\n`));
      ended(127, null);
    });
    child.on("close", ended);
  });
}

/** Hands the terminal to a command until it ends, and gives its exit code. */
export function hand(command, args, options = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: ROOT, stdio: "inherit", ...options });
    child.on("error", () => resolve(127));
    child.on("close", (code, signal) => resolve(signal === null ? code : 1));
  });
}

/** Whether a command is there and runs. */
export async function has(command, args = ["--version"]) {
  return (await run(command, args, { fails: true })).code === 0;
}

/** Seconds, short. */
export function seconds(since_ms) {
  return `${((performance.now() - since_ms) / 1000).toFixed(1)} s`;
}

/**
 * Steps with a line each. `work` may answer with a text that goes into the line (a size, "unchanged").
 * Failures are kept, so that the steps after it still tell what they know.
 */
export class Steps {
  passed = 0;
  failed = 0;
  /** Lines to repeat at the end. */
  notices = [];
  #names = [];
  #started = performance.now();

  /** Runs one step; false when it failed. */
  async step(name, work) {
    const started = performance.now();
    try {
      const note = await work(this);
      const more = typeof note === "string" ? ` (${note})` : "";
      console.log(`${paint(32, "ok")}    ${name}${more}  ${paint(2, seconds(started))}`);
      this.passed += 1;
      return true;
    } catch (error) {
      if (error instanceof CommandError && !error.shown) process.stdout.write(error.output);
      console.log(`${paint(31, "FAIL")}  ${name}  ${paint(2, seconds(started))}\n      ${explain(error)}`);
      this.#names.push(name);
      this.failed += 1;
      return false;
    }
  }

  /** Adds what a test runner counted; the step itself then does not count. */
  count(passed, failed) {
    this.passed += passed - 1;
    this.failed += failed;
  }

  /** Says something now and once more at the end. */
  notice(text) {
    this.notices.push(text);
    console.log(`note  ${text}`);
  }

  /** The last lines; sets the exit code. */
  finish(what) {
    for (const text of this.notices) console.log(`note  ${text}`);
    const failures = this.failed > 0 ? `; failed: ${this.#names.join(", ")}` : "";
    console.log(
      `${what}: ${this.passed} passed, ${this.failed} failed in ${seconds(this.#started)}${failures}`,
    );
    if (this.failed > 0) process.exitCode = 1;
  }
}

function explain(error) {
  if (error instanceof Missing || error instanceof CommandError) return error.message;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
