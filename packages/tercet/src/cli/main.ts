#!/usr/bin/env node
/** The process around the command line: streams, interruption, exit code. */
import { EXIT } from "./errors.js";
import { run } from "./run.js";

const controller = new AbortController();
process.on("SIGINT", () => {
  // The first one asks; a second one does not wait for the answer.
  if (controller.signal.aborted) process.exit(EXIT.interrupted);
  controller.abort(new DOMException("interrupted", "AbortError"));
});

// A reader that has seen enough (`tercet search ... | head -1`) closes the pipe; that is no failure.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  process.exit(error.code === "EPIPE" ? EXIT.ok : EXIT.failed);
});
process.stderr.on("error", () => {});

process.exitCode = await run(process.argv.slice(2), {
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  signal: controller.signal,
});
