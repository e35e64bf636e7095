/** What must be there before anything else: Node's modules and Rust. */
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { Missing, ROOT, run } from "./run.mjs";

/** The oldest Rust that compiles the workspace; as in Cargo.toml. */
const RUST_MINOR = 89;

/** Installs node_modules from the lock file when they are missing or older than it. */
export async function modules() {
  const lock = join(ROOT, "package-lock.json");
  const installed = join(ROOT, "node_modules/.package-lock.json");
  if (existsSync(installed) && statSync(installed).mtimeMs >= statSync(lock).mtimeMs) return "unchanged";
  await run("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"]);
  return undefined;
}

/** Checks that there is a Rust new enough; its version. */
export async function rust() {
  const { code, stdout } = await run("cargo", ["--version"], { fails: true });
  if (code !== 0) {
    throw new Missing(
      `Rust is missing: install it from https://rustup.rs or your distribution (1.${RUST_MINOR} or newer)`,
    );
  }
  const [, major, minor] = /cargo (\d+)\.(\d+)/.exec(stdout) ?? [];
  if (Number(major) === 1 && Number(minor) < RUST_MINOR) {
    throw new Missing(`Rust 1.${minor} is too old: tercet needs 1.${RUST_MINOR}; type: rustup update stable`);
  }
  return stdout.trim();
}

/** Checks that a component of Rust is there, and asks rustup for it when not. */
export async function component(name, args) {
  if ((await run("cargo", args, { fails: true })).code === 0) return;
  const added = await run("rustup", ["component", "add", name], { fails: true, timeout_s: 120 });
  if (added.code !== 0)
    throw new Missing(
      `${name} is missing; type: rustup component add ${name} (Debian: apt-get install rust-${name})`,
    );
}

/** A program that npm installed, to be run by Node itself. */
export function bin(path) {
  return join(ROOT, "node_modules", path);
}
