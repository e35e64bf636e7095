/** `node scripts/tidy.mjs`: the tidy check alone. */
import { tidy } from "./lib/checks.mjs";
import { Steps } from "./lib/run.mjs";

const steps = new Steps();
await tidy(steps);
steps.finish("tidy");
