/** `npm run generate [-- --check]`: the wire types in TypeScript, from their one source in Rust. */
import { generated } from "./lib/generated.mjs";
import { Steps } from "./lib/run.mjs";

const steps = new Steps();
const check = process.argv.includes("--check");
await steps.step(check ? "generated types unchanged" : "generated types", () => generated(check));
steps.finish("generate");
