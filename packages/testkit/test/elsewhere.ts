/** Cores in other processes and worker threads, on Node. */
import { fork } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import ts from "typescript";
import { afterAll } from "vitest";
import { platformName } from "../../native/src/main.js";
import type { Elsewhere, Other, Outcome } from "../src/kit.js";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const SCRIPT = here("other-core.mjs");

/** What the script is told to load. */
interface Core {
  readonly addon?: string;
  /** The folder of the loader, as JavaScript. */
  readonly wasm?: string;
  readonly module?: string;
}

/** Native cores elsewhere. */
export function nativeElsewhere(): Elsewhere {
  const addon = here(`../../native/tercet.${platformName()}.node`);
  return elsewhere(async () => ({ addon }));
}

/** WebAssembly cores elsewhere: their loader is TypeScript, so it is compiled first. */
export function wasmElsewhere(): Elsewhere {
  let compiled: Promise<string> | undefined;
  afterAll(async () => {
    if (compiled !== undefined) await rm(await compiled, { recursive: true, force: true });
  });
  return elsewhere(async () => {
    compiled ??= compile(here("../../wasm/src"));
    return { wasm: await compiled, module: here("../../wasm/tercet.wasm") };
  });
}

async function compile(source: string): Promise<string> {
  const out = await mkdtemp(join(tmpdir(), "tercet-loader-"));
  await mkdir(out, { recursive: true });
  await writeFile(join(out, "package.json"), '{"type":"module"}');
  const compilerOptions = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 };
  for (const name of await readdir(source)) {
    const text = await readFile(join(source, name), "utf8");
    const { outputText } = ts.transpileModule(text, { compilerOptions });
    await writeFile(join(out, name.replace(/\.ts$/, ".js")), outputText);
  }
  return out;
}

/** A running script. */
interface Running {
  send(message: object): void;
  stop(): Promise<unknown>;
}

function elsewhere(core: () => Promise<Core>): Elsewhere {
  const running = new Set<() => Promise<unknown>>();
  afterAll(async () => {
    for (const stop of running) await stop();
  });
  const start = async (begin: (core: Core, hear: (message: unknown) => void) => Running): Promise<Other> => {
    const other = await drive(await core(), begin);
    running.add(other.kill);
    return other;
  };
  return { process: () => start(inProcess), thread: () => start(inThread) };
}

function inProcess(core: Core, hear: (message: unknown) => void): Running {
  const child = fork(SCRIPT, [JSON.stringify(core)], { execArgv: [], stdio: "inherit" });
  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.on("message", hear);
  return {
    send: (message) => child.send(message),
    stop: () => {
      child.kill("SIGKILL");
      return ended;
    },
  };
}

function inThread(core: Core, hear: (message: unknown) => void): Running {
  const worker = new Worker(SCRIPT, { workerData: core, execArgv: [] });
  worker.on("message", hear);
  return { send: (message) => worker.postMessage(message), stop: () => worker.terminate() };
}

async function drive(
  core: Core,
  begin: (core: Core, hear: (message: unknown) => void) => Running,
): Promise<Other> {
  const waiting = new Map<number, (outcome: Outcome) => void>();
  let sent = 0;
  let isReady: (pid: number) => void = () => {};
  const ready = new Promise<number>((resolve) => {
    isReady = resolve;
  });
  const running = begin(core, (message) => {
    const { ready: pid, number = -1, json, error } = message as Message;
    if (pid !== undefined) return isReady(pid);
    waiting.get(number)?.({
      reply: json ? JSON.parse(json) : undefined,
      error: error ? JSON.parse(error) : undefined,
    });
    waiting.delete(number);
  });
  const pid = await ready;
  return {
    pid,
    call: (on, verb, request, keep) =>
      new Promise((resolve) => {
        const number = sent++;
        waiting.set(number, resolve);
        running.send({ number, on, verb, request: JSON.stringify(request), keep });
      }),
    kill: running.stop,
  };
}

interface Message {
  readonly ready?: number;
  readonly number?: number;
  readonly json?: string;
  readonly error?: string;
}
