/** What durable.mjs sees of its children from outside: memory, files, the page cache. */
import { fork, spawnSync } from "node:child_process";
import { lstatSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const CHILD = fileURLToPath(new URL("child.mjs", import.meta.url));
const SAMPLE_MS = 20;
const DISK_SAMPLE_MS = 500;
const FILES_A_CALL = 500;

/**
 * Runs one job. Its result carries `memory`: for each phase the highest RssAnon and RssFile of samples every 20 ms, and
 * VmHWM, which the kernel counts; `idle` is what the process held before its first phase.
 */
export function run(job, node) {
  return new Promise((resolve) => {
    const child = fork(CHILD, [JSON.stringify(job)], {
      execPath: node,
      stdio: ["ignore", "inherit", "pipe", "ipc"],
    });
    const memory = {};
    let result;
    let now = "idle";
    let errors = "";
    const phase = () => (memory[now] ??= { anon: 0, file: 0, hwm: 0, disk: 0 });
    const measureDisk = () => {
      phase().disk = Math.max(phase().disk, sizeOf(job.path).allocated);
    };
    const sample = () => {
      const status = statusOf(child.pid);
      if (status === undefined) return;
      const peak = phase();
      peak.anon = Math.max(peak.anon, status.anon);
      peak.file = Math.max(peak.file, status.file);
      peak.hwm = Math.max(peak.hwm, status.hwm);
    };
    const timers = [setInterval(sample, SAMPLE_MS)];
    if (job.watchDisk) timers.push(setInterval(measureDisk, DISK_SAMPLE_MS));
    child.stderr.on("data", (text) => {
      errors = (errors + text).slice(-2000);
    });
    child.on("message", (message) => {
      sample();
      if (message.begin) now = message.begin;
      else if (message.end) now = "between";
      else result = message.result;
    });
    child.on("exit", (code, signal) => {
      timers.forEach(clearInterval);
      const failed =
        result === undefined
          ? `ended with ${signal ?? code}: ${errors.trim().split("\n").at(-1)}`
          : undefined;
      resolve({ failed, ...result, memory });
    });
  });
}

function statusOf(pid) {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "latin1");
    const bytes = (name) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(status)?.[1] ?? 0) * 1024;
    return { anon: bytes("RssAnon"), file: bytes("RssFile"), hwm: bytes("VmHWM") };
  } catch {
    return undefined; // it has ended
  }
}

/** Every file whose path begins with this one: `x` holds the files of x, x.sqlite, x.sqlite-wal and x.lance. */
export function filesOf(path) {
  const name = basename(path);
  const within = (folder) =>
    readdirSync(folder, { withFileTypes: true }).flatMap((entry) =>
      entry.isDirectory() ? within(join(folder, entry.name)) : [join(folder, entry.name)],
    );
  return readdirSync(dirname(path), { withFileTypes: true })
    .filter((entry) => entry.name === name || entry.name.startsWith(`${name}.`))
    .flatMap((entry) => {
      const at = join(dirname(path), entry.name);
      return entry.isDirectory() ? within(at) : [at];
    });
}

/** Bytes of the files, and the blocks that they take. */
export function sizeOf(path) {
  const files = filesOf(path).flatMap((file) => lstatSync(file, { throwIfNoEntry: false }) ?? []);
  const sum = (of) => files.reduce((total, file) => total + of(file), 0);
  return {
    files: files.length,
    bytes: sum(({ size }) => size),
    allocated: sum(({ blocks }) => blocks * 512),
  };
}

export function removeAll(path) {
  const name = basename(path);
  for (const entry of readdirSync(dirname(path)))
    if (entry === name || entry.startsWith(`${name}.`))
      rmSync(join(dirname(path), entry), { recursive: true });
}

/**
 * Takes files out of the page cache: by the whole cache (`drop`), or file by file with posix_fadvise, as dd's `nocache`
 * does with nothing to copy. Gives the bytes that stayed.
 */
export function makeCold(path, drop) {
  spawnSync("sync");
  const files = filesOf(path);
  if (drop) writeFileSync("/proc/sys/vm/drop_caches", "3");
  else for (const some of chunks(files)) spawnSync("sh", ["-c", EVICT, "sh", ...some]);
  const sizes = chunks(files).map(resident);
  return sizes.includes(undefined) ? undefined : sizes.reduce((total, size) => total + size, 0);
}

const EVICT = 'for file; do dd if="$file" iflag=nocache count=0 status=none; done';

function chunks(files) {
  const count = Math.ceil(files.length / FILES_A_CALL);
  return Array.from({ length: count }, (_, at) => files.slice(at * FILES_A_CALL, (at + 1) * FILES_A_CALL));
}

/** Bytes of the files in the page cache; undefined where nobody can say. */
function resident(files) {
  const { status, stdout } = spawnSync("fincore", ["-b", "-n", "-o", "RES", ...files], {
    encoding: "latin1",
  });
  if (status !== 0) return undefined;
  return stdout
    .trim()
    .split("\n")
    .reduce((total, line) => total + Number(line), 0);
}
