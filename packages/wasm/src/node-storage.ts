/**
 * Files through `node:fs`, for the WebAssembly core on Node.
 *
 * Node cannot take the operating system's lock on a file, so a lock here is a file of its own beside the lock file,
 * made exclusively, that names its process. One that a dead process left is taken over. On Unix the native core respects
 * such a file; on Linux this core sees the native core's lock as well. Elsewhere, do not write to one folder through both
 * cores at once.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import type { Storage, StorageFile, StorageLock } from "./storage.js";

/** The real file system. */
export function nodeStorage(): Storage {
  return {
    size: (file) => fs.statSync(file).size,
    read,
    create,
    rename: (from, to) => fs.renameSync(from, to),
    remove: (file) => fs.unlinkSync(file),
    exists: (file) => fs.existsSync(file),
    list: (folder) => fs.readdirSync(folder || "."),
    makeDirs,
    syncDir,
    lock,
  };
}

function read(file: string, into: Uint8Array, start: number): number {
  const opened = fs.openSync(file, "r");
  try {
    let done = 0;
    while (done < into.length) {
      const got = fs.readSync(opened, into, done, into.length - done, start + done);
      if (got === 0) break;
      done += got;
    }
    return done;
  } finally {
    fs.closeSync(opened);
  }
}

function create(file: string): StorageFile {
  const opened = fs.openSync(file, "wx");
  return {
    write: (bytes) => {
      for (let done = 0; done < bytes.length; ) done += fs.writeSync(opened, bytes, done);
    },
    sync: () => fs.fsyncSync(opened),
    close: () => fs.closeSync(opened),
  };
}

function makeDirs(folder: string): void {
  // The first folder that had to be made; its parent and everything below must be made durable.
  const first = fs.mkdirSync(folder || ".", { recursive: true });
  if (first === undefined) return;
  const top = path.dirname(path.resolve(first));
  for (let at = path.dirname(path.resolve(folder)); at.length >= top.length; at = path.dirname(at)) {
    syncDir(at);
    if (at === top) break;
  }
}

function syncDir(folder: string): void {
  if (process.platform === "win32") return; // A folder cannot be opened there.
  const opened = fs.openSync(folder || ".", "r");
  try {
    fs.fsyncSync(opened);
  } finally {
    fs.closeSync(opened);
  }
}

/** How often a lock that a dead process left is taken over before giving up. */
const TRIES = 8;

function lock(file: string): StorageLock {
  touch(file);
  const held = `${file}.js`;
  const name = identity(process.pid);
  take(held, name);
  try {
    // Looked at last: the native core looks for our file after it has taken its lock, so one of the two sees the other.
    const native = nativeHolder(file);
    if (native !== undefined) throw locked(native.pid);
    touch(file); // Whoever held it before may have removed it since.
  } catch (error) {
    release(held, name);
    throw error;
  }
  return { release: () => release(held, name) };
}

/** What shows others that there is a lock. */
function touch(file: string): void {
  fs.closeSync(fs.openSync(file, "a"));
}

/** Makes the file `held`, which names this process, unless that of a living one stands there. */
function take(held: string, name: string): void {
  const mine = `${held}.${process.pid}.${Math.random().toString(36).slice(2)}`;
  fs.writeFileSync(mine, name, { flag: "wx" });
  try {
    for (let attempt = 0; attempt < TRIES; attempt++) {
      try {
        // Linking fails where the name is taken, and what stands there is complete from the first moment.
        fs.linkSync(mine, held);
        return;
      } catch (error) {
        if ((error as { code?: string }).code !== "EEXIST") throw error;
      }
      const holder = readIfThere(held);
      if (holder === undefined) continue;
      const pid = Number.parseInt(holder, 10);
      if (identity(pid) === holder) throw locked(pid);
      takeAway(held, holder, mine);
    }
    throw locked(undefined);
  } finally {
    fs.unlinkSync(mine);
  }
}

function release(held: string, name: string): void {
  if (readIfThere(held) === name) fs.unlinkSync(held);
}

/** Removes a dead process's lock; if somebody else replaced it meanwhile, theirs is put back. */
function takeAway(held: string, holder: string, mine: string): void {
  const aside = `${mine}.old`;
  try {
    fs.renameSync(held, aside);
  } catch (error) {
    if ((error as { code?: string }).code === "ENOENT") return;
    throw error;
  }
  try {
    if (readIfThere(aside) !== holder) fs.linkSync(aside, held);
  } finally {
    fs.unlinkSync(aside);
  }
}

function readIfThere(file: string): string | undefined {
  try {
    return fs.readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}

/**
 * What tells a living process from an older one with its number: number and, on Linux, the moment it was started since
 * which boot. Empty when there is no such process.
 */
function identity(pid: number): string {
  if (!Number.isInteger(pid) || pid <= 0 || !isAlive(pid)) return "";
  // The process's name may hold spaces and brackets; what follows the last bracket does not. Field 22 is the start.
  const stat = readIfThere(`/proc/${pid}/stat`);
  const started = stat?.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "";
  const boot = readIfThere("/proc/sys/kernel/random/boot_id")?.trim() ?? "";
  return `${pid} ${started} ${boot}`.trim();
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as { code?: string }).code === "EPERM";
  }
}

/** Whether a native core holds the lock, and in which process, where the system tells. */
function nativeHolder(file: string): { readonly pid: number | undefined } | undefined {
  if (process.platform !== "linux") return undefined;
  const table = readIfThere("/proc/locks");
  const inode = fs.statSync(file, { bigint: true, throwIfNoEntry: false })?.ino;
  if (table === undefined || inode === undefined) return undefined;
  for (const line of table.split("\n")) {
    // "1: FLOCK  ADVISORY  WRITE 1234 08:01:5678 0 EOF"
    const [, kind, , , pid, place] = line.trim().split(/\s+/);
    if (kind !== "FLOCK" || place?.split(":")[2] !== String(inode)) continue;
    // A process that lives outside this container has no number here.
    return { pid: Number(pid) > 0 ? Number(pid) : undefined };
  }
  return undefined;
}

function locked(holder: number | undefined): Error {
  return Object.assign(new Error("the lock is held"), { code: "ELOCKED", holder });
}
