/**
 * The Rust suites with many threads once more under ThreadSanitizer, which finds unsynchronised access that the tests
 * themselves do not notice. It needs a nightly compiler, and the standard library's source: a library that is not
 * instrumented hides its locks from the sanitizer, which then reports races where there are none.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { ROOT, run } from "./run.mjs";
import { cargoTest } from "./suites.mjs";

const SUITES = { "tercet-engine": ["threads", "group"], "tercet-store": ["env", "lock", "log"] };
/** Hosts that the sanitizer is made for, of those that are built here. */
const HOSTS = /^(x86_64|aarch64)-(unknown-linux-gnu|apple-darwin)$/;
// Nothing may be installed by the mere mention of a toolchain.
const NIGHTLY = { RUSTUP_TOOLCHAIN: "nightly", RUSTUP_AUTO_INSTALL: "0" };

/** Runs them, or says in a notice why not. */
export async function tsan(steps) {
  const { host, lacks } = await compiler();
  if (lacks !== undefined) {
    steps.notice(`not run: ThreadSanitizer, ${lacks}`);
    return "not run";
  }
  const suites = Object.entries(SUITES).flatMap(([crate, names]) => [
    ...["-p", crate],
    ...names.flatMap((name) => ["--test", name]),
  ]);
  return cargoTest(steps, ["-Zbuild-std", "--target", host, ...suites], {
    ...NIGHTLY,
    // A folder of its own: other flags would build everything else anew.
    CARGO_TARGET_DIR: join(process.env.CARGO_TARGET_DIR ?? join(ROOT, "target"), "tsan"),
    [`CARGO_TARGET_${host.toUpperCase().replaceAll("-", "_")}_RUSTFLAGS`]: "-Zsanitizer=thread",
  });
}

async function compiler() {
  const version = await run("rustc", ["-vV"], { env: NIGHTLY, fails: true });
  if (version.code !== 0 || !version.stdout.includes("nightly")) {
    return { lacks: "which needs a nightly compiler; type: rustup toolchain install nightly -c rust-src" };
  }
  const host = /^host: (\S+)$/m.exec(version.stdout)?.[1] ?? "";
  if (!HOSTS.test(host)) return { lacks: `which there is not for ${host || "this platform"}` };
  const { stdout: sysroot } = await run("rustc", ["--print", "sysroot"], { env: NIGHTLY });
  const source = join(sysroot.trim(), "lib/rustlib/src/rust/library/Cargo.lock");
  if (existsSync(source)) return { host };
  const add = ["component", "add", "rust-src", "--toolchain", "nightly"];
  await run("rustup", add, { fails: true, timeout_s: 180 });
  return existsSync(source) ? { host } : { lacks: `which needs more; type: rustup ${add.join(" ")}` };
}
