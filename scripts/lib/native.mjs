/** The native addon: cargo builds it, and it is copied to where the package's table looks for it. */
import { copyFileSync, readFileSync, renameSync, statSync } from "node:fs";
import { join } from "node:path";
import { ROOT, run } from "./run.mjs";
import { hashOf, unlessStamped } from "./stamps.mjs";

/** The crates that both bindings are made of. */
export const CORE_INPUTS = [
  "Cargo.toml",
  "Cargo.lock",
  ...["kernels", "text", "index", "store", "engine"].flatMap((name) => [
    `crates/${name}/Cargo.toml`,
    `crates/${name}/src`,
  ]),
];

/** This platform as packages/native names it. */
export function platformName() {
  const name = `${process.platform}-${process.arch}`;
  return process.platform === "linux" ? `${name}-${isMusl() ? "musl" : "gnu"}` : name;
}

function isMusl() {
  try {
    return /\/(ld-musl-|libc\.musl)/.test(readFileSync("/proc/self/maps", "utf8"));
  } catch {
    return false;
  }
}

/** Builds the addon unless it is up to date. */
export async function buildNative() {
  const output = `packages/native/tercet.${platformName()}.node`;
  const { stdout: version } = await run("rustc", ["-vV"]);
  const hash = hashOf([...CORE_INPUTS, "crates/node"], version, process.env.RUSTFLAGS ?? "");
  return unlessStamped("native", hash, [output], async () => {
    await run("cargo", ["build", "--release", "--locked", "-p", "tercet-node"]);
    const library = {
      win32: "tercet_node.dll",
      darwin: "libtercet_node.dylib",
    }[process.platform];
    const target = process.env.CARGO_TARGET_DIR ?? join(ROOT, "target");
    const built = join(target, "release", library ?? "libtercet_node.so");
    // A new file under the old name: a process that has the old addon loaded keeps it.
    const fresh = join(ROOT, `${output}.new`);
    copyFileSync(built, fresh);
    renameSync(fresh, join(ROOT, output));
    return `${(statSync(join(ROOT, output)).size / 1e6).toFixed(2)} MB`;
  });
}
