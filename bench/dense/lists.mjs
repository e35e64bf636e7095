/** What is wanted of the index of inverted lists, beside what this run measured. */
import { median, rounded } from "../durable/report.mjs";
import { best, row, shown } from "./bar.mjs";
import { byEngine, lists } from "./curves.mjs";

/** Peers that keep lists of codes, as this index does. */
const FIELD = /^(ivf|scann)/;
/** The peer that training and encoding are held against. */
const BUILT = "ivf-pqfs+refine";

export function listRows(here) {
  return [...searching(here), ...building(here), ...codes(here), ...resident(here)];
}

/** Against the best of the field at the same bytes of codes: which indexes those are is for the command line to say. */
function searching({ keys, of }) {
  const lines = of("search").filter((line) => lists(line.engine) || FIELD.test(line.engine));
  return [0.95, 0.99].flatMap((recall) =>
    ["batch", "single"].flatMap((kind) => {
      const found = best(lines, recall, keys[kind], lists);
      if (found === undefined) return [];
      return [
        row(`lists: QPS ${kind} @${recall}`, ">= 1.30", found.ratio >= 1.3, shown(found), found.against),
      ];
    }),
  );
}

function building({ of }) {
  const groups = byEngine(of("build"));
  const cpu = (lines) => median(lines.map((line) => line.build_cpu_s));
  const reference = groups.get(BUILT);
  return [...groups]
    .filter(([engine]) => lists(engine) && reference !== undefined)
    .map(([engine, lines]) => {
      const part = cpu(lines) / cpu(reference);
      const against = `${engine} ${rounded(cpu(lines))} s, ${BUILT} ${rounded(cpu(reference))} s`;
      return row("lists: training and encoding, CPU", "<= 1.00", part <= 1, part.toFixed(2), against);
    });
}

/** Recall of codes alone, of as many bytes, every list scanned. */
function codes({ of }) {
  const lines = of("codes").flatMap((line) => line.codes.map((one) => ({ engine: line.engine, ...one })));
  return [...new Set(lines.map((line) => line.bytes))].flatMap((bytes) => {
    const here = lines.filter((line) => line.bytes === bytes).sort((a, b) => b.recall - a.recall);
    const mine = here.find((line) => lists(line.engine));
    const theirs = here.find((line) => !lists(line.engine));
    if (mine === undefined || theirs === undefined) return [];
    const lead = (mine.recall - theirs.recall) * 100;
    const against = `${mine.name} ${mine.recall.toFixed(4)}, ${theirs.name} ${theirs.recall.toFixed(4)}`;
    const what = `lists: recall of ${bytes} bytes of codes alone, points`;
    return [row(what, ">= -0.50", lead >= -0.5, lead.toFixed(2), against)];
  });
}

/** The most that lay in memory of a mapped file while it was searched, beside its codes and lists: vectors left on the disk. */
function resident({ of }) {
  return of("resident")
    .filter((line) => lists(line.engine))
    .map(({ engine, resident: found }) => {
      const { file_mb, codes_mb, whole_mb, vectors, rows, qps } = found;
      const part = file_mb / codes_mb;
      const against = `${engine}: ${rounded(file_mb)} MB of ${rounded(whole_mb)}; codes and lists ${rounded(codes_mb)}; ${rounded(qps)}/s`;
      const what = `lists: resident / codes and lists, ${rounded(rows)} rows, vectors in ${vectors}`;
      return row(
        what,
        vectors === "disk" ? "<= 1.20" : "",
        vectors !== "disk" || part <= 1.2,
        part.toFixed(2),
        against,
      );
    });
}
