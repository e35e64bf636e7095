/** Starts jobs: each in a process of its own, on one core. */
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { harness } from "./data.mjs";

const WORKER = join(import.meta.dirname, "worker.mjs");
const LIMIT_S = 1800;

/** The core that jobs are pinned to: the one asked for, else the last; none where there is no taskset. */
export function pinning(asked, cores) {
  if (spawnSync("taskset", ["--version"]).status !== 0) return undefined;
  return asked === undefined ? cores - 1 : Number(asked);
}

/** Runs a command to its end; `cores` is a list as taskset takes it. */
function run(command, args, cores, env) {
  const line = cores === undefined ? [command, ...args] : ["taskset", "-c", String(cores), command, ...args];
  return new Promise((done) => {
    const child = spawn(line[0], line.slice(1), { env, stdio: ["ignore", "pipe", "pipe"] });
    const text = { stdout: "", stderr: "" };
    for (const name of ["stdout", "stderr"])
      child[name].on("data", (bytes) => {
        text[name] += bytes;
      });
    const end = (why) => done({ ...text, why });
    child.on("error", (error) => end(error.message));
    child.on("close", (code, signal) => end(code === 0 ? undefined : `ended with ${signal ?? code}`));
  });
}

/** One job of tercet's. */
export async function tercet(settings, set, index, what, more = {}) {
  const { cores = settings.core, threads = 1, data = set.folder, ...job } = more;
  const save = join(set.indexes, `${set.name}-tercet-${index.replaceAll(":", "-")}`);
  const whole = { index, do: what, data, save, threads, ef: settings.ef, efs: [64, 256], ...job };
  const env = { ...process.env };
  if (settings.isa !== undefined) env.TERCET_ISA = settings.isa;
  const { stdout, stderr, why } = await run(process.execPath, [WORKER, JSON.stringify(whole)], cores, env);
  const line = stdout.split("\n").find((one) => one.startsWith("RESULT "));
  const result =
    line === undefined ? { error: `${why}: ${stderr.trim().split("\n").at(-1)}` } : JSON.parse(line.slice(7));
  return { engine: `tercet ${index}`, do: what, threads, ...result };
}

/** Recall of Faiss's codes alone, by codes.py. */
export async function codesOfPeers(settings, set, budgets) {
  const args = [join(import.meta.dirname, "codes.py"), set.folder, budgets.join(",")];
  const { stdout, stderr, why } = await run(settings.python, args, settings.core, process.env);
  const line = stdout.split("\n").find((one) => one.startsWith("RESULT "));
  const result =
    line === undefined ? { error: `${why}: ${stderr.trim().split("\n").at(-1)}` } : JSON.parse(line.slice(7));
  return { engine: "faiss", do: "codes", threads: 1, ...result };
}

/** One job of a peer, through the peers' own harness; `node:` begins the names of npm peers. */
export async function peer(settings, set, name, what, more = {}) {
  const { cores = settings.core, threads = 1, data = set.folder, efs = "64,256" } = more;
  const scratch = mkdtempSync(join(tmpdir(), "tercet-dense-"));
  const out = join(scratch, "lines");
  // Every node is this one.
  const path = [dirname(process.execPath), process.env.PATH].join(delimiter);
  const env = { ...process.env, PATH: path, TMPDIR: scratch, NODE_PEERS: settings.nodeFolder ?? "" };
  const args = [harness("bench.py"), data, out, name, "--do", what, "--threads", String(threads)];
  args.push("--keep", set.indexes, "--efs", efs, "--ef", String(settings.ef), "--timeout", String(LIMIT_S));
  if (what === "build" && !name.startsWith("node:")) args.push("--nocurve");
  if (settings.isa === "avx2") args.push("--env", "FAISS_SIMD_LEVEL=AVX2");
  const { stderr, why } = await run(settings.pythonAvx2 ?? settings.python, args, cores, env);
  try {
    const { peer: _, env: __, data: ___, ...result } = JSON.parse(readFileSync(out, "utf8"));
    if (result.error !== undefined) result.error = result.error.trim().split("\n").at(-1);
    return { engine: name, ...result };
  } catch {
    return { engine: name, do: what, threads, error: `${why}: ${stderr.trim().split("\n").at(-1)}` };
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}
