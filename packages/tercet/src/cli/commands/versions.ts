/** `tercet versions` and `tag`: states of a collection that stay. */
import { type Answer, type Arguments, type Command, type Context, positionals } from "../command.js";
import { EXIT } from "../errors.js";
import { withFolder } from "../folder.js";
import { counted, count as grouped, plain, table } from "../style.js";

export const versions: Command = {
  name: "versions",
  summary: "the versions that can be read",
  usage: "<folder>",
  about: `Shows the versions of a collection that can be read with --at, oldest first. A version stays while it has a tag or
a reader, and for a minute after a newer one replaced it.`,
  options: {},
  examples: [
    ["tercet versions ./papers", "a table of versions and tags"],
    ["tercet search ./papers wing --at before-import", "searches one of them"],
  ],
  async run(args: Arguments, context: Context): Promise<Answer> {
    const [folder] = positionals(args, versions, ["folder"]) as [string];
    return withFolder(folder, context, {}, async (collection) => {
      const list = await collection.versions({ signal: context.signal });
      const rows = list.map((one) => [
        `${one.version}${one.current ? " (newest)" : ""}`,
        grouped(one.documents),
        new Date(one.createdMs).toISOString(),
        one.tags.map(plain).join(", "),
      ]);
      return {
        json: { versions: list },
        text: table([["version", "documents", "written", "tags"], ...rows]),
      };
    });
  },
};

export const tag: Command = {
  name: "tag",
  summary: "give the present version a name, so that it stays",
  usage: "<folder> <name> [--remove]",
  about: `Names the version that is there now; it can be read with --at until the tag is removed, and needs its bytes so
long. A tag that is there already moves. With --remove ends with exit code 1 when there is no such tag.`,
  options: { remove: { type: "boolean", help: "take the tag away" } },
  examples: [
    ["tercet tag ./papers before-import", "then: tercet search ./papers wing --at before-import"],
    ["tercet tag ./papers before-import --remove", "its bytes go with the next tercet compact"],
  ],
  async run(args: Arguments, context: Context): Promise<Answer> {
    const [folder, name] = positionals(args, tag, ["folder", "name"]) as [string, string];
    return withFolder(folder, context, { write: true }, async (collection) => {
      const options = { signal: context.signal };
      if (args.values.remove === true) {
        const reply = await collection.untag(name, options);
        return {
          json: reply,
          text: reply.removed ? `the tag "${plain(name)}" is gone` : `there is no tag "${plain(name)}"`,
          exit: reply.removed ? EXIT.ok : EXIT.failed,
        };
      }
      const reply = await collection.tag(name, options);
      const documents = await collection.count();
      const text = `version ${reply.version}, ${counted(documents, "document")}, is "${plain(name)}"`;
      return { json: { ...reply, documents }, text };
    });
  },
};
