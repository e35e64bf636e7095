/** `tercet export`, `import` and `repair`: a collection as one file, and a damaged folder made sound. */
import { importSnapshot, repair } from "../../snapshot.js";
import { type Answer, type Arguments, type Command, type Context, positionals } from "../command.js";
import { EXIT } from "../errors.js";
import { AT, versionAt, withFolder } from "../folder.js";
import { Progress } from "../progress.js";
import { bytes, counted, plain } from "../style.js";

export const exportFile: Command = {
  name: "export",
  summary: "write a collection as one read-only file",
  usage: "<folder> <file> [--at version|tag]",
  about: `Writes a snapshot: one file that holds every document and every index, without deleted ones. Every command that
reads takes the file in place of a folder, and so does open() in Node, in browsers and at the edge. A writer may go on
meanwhile; the file must not be there yet.`,
  options: { at: AT },
  examples: [
    ["tercet export ./papers papers.tercet", "also a backup"],
    ["tercet search papers.tercet wing", "searches it"],
  ],
  async run(args: Arguments, context: Context): Promise<Answer> {
    const [folder, file] = positionals(args, exportFile, ["folder", "file"]) as [string, string];
    return withFolder(folder, context, { version: versionAt(args.values) }, async (collection) => {
      const progress = new Progress(context, "exporting", "steps");
      const reply = await collection.exportSnapshot(file, progress.watching(context.signal));
      const text = `${counted(reply.documents, "document")} of version ${reply.version} in ${plain(file)}, ${bytes(reply.bytes)}`;
      return { json: { file, ...reply }, text };
    });
  },
};

export const importFile: Command = {
  name: "import",
  summary: "make a collection of a snapshot",
  usage: "<file> <folder>",
  about:
    "Makes a folder that can be written to of what `tercet export` wrote. The folder must hold no collection yet.",
  options: {},
  examples: [["tercet import papers.tercet ./papers", "the collection again, to be changed"]],
  async run(args: Arguments, context: Context): Promise<Answer> {
    const [file, folder] = positionals(args, importFile, ["file", "folder"]) as [string, string];
    const progress = new Progress(context, "importing", "steps");
    const reply = await importSnapshot(file, folder, {
      ...chosen(context),
      ...progress.watching(context.signal),
    });
    const text = `${counted(reply.documents, "document")} in ${plain(folder)}, ${bytes(reply.bytes)}`;
    return { json: { folder, ...reply }, text };
  },
};

export const repairFolder: Command = {
  name: "repair",
  summary: "make a damaged collection sound, as far as its files allow",
  usage: "<folder>",
  about: `Keeps everything that can still be read, and says what was done and how many documents are gone. Nothing is
deleted: damaged files stay in the folder under another name; copy the folder first all the same. Ends with exit code 1
when documents are gone or the collection still cannot be used.`,
  options: {},
  examples: [["tercet repair ./papers", "after `tercet verify` found damage"]],
  async run(args: Arguments, context: Context): Promise<Answer> {
    const [folder] = positionals(args, repairFolder, ["folder"]) as [string];
    const progress = new Progress(context, "repairing", "steps");
    const reply = await repair(folder, { ...chosen(context), ...progress.watching(context.signal) });
    const { actions, documents, lost, ok } = reply;
    const text = [
      ...(actions.length === 0 ? ["nothing was wrong"] : actions.map((action) => `  ${plain(action)}`)),
      ok
        ? `${counted(documents, "document")}${lost > 0 ? `, ${counted(lost, "document")} lost` : ", none lost"}`
        : "the collection cannot be used yet",
    ].join("\n");
    return { json: reply, text, exit: ok && lost === 0 ? EXIT.ok : EXIT.failed };
  },
};

function chosen(context: Context): { readonly backend?: "native" | "wasm" } {
  return context.backend === undefined ? {} : { backend: context.backend };
}
