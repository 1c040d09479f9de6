import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Plugin } from "esbuild";

/** Source text that is another one in a build: `find` must stand in `file` exactly once. */
export interface Edit {
  /** Under src/server. */
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

/** A defect that is built in on purpose: a suite that does not see it is broken. */
export interface Mutant {
  readonly name: string;
  readonly edits: readonly Edit[];
}

/** Replaces source text while bundling; the build fails if an edit finds its text not at all or more than once. */
export function edited(root: string, edits: readonly Edit[]): Plugin {
  const byPath = Map.groupBy(edits, ({ file }) => join(root, "src", "server", file));
  const loaded = new Set<string>();
  return {
    name: "edited",
    setup: (build) => {
      // What is wrong stands in the error that the build rejects with.
      build.initialOptions.logLevel = "silent";
      build.onLoad({ filter: /\/src\/server\/.*\.ts$/ }, async ({ path }) => {
        const own = byPath.get(path);
        if (own === undefined) return undefined;
        loaded.add(path);
        let contents = await readFile(path, "utf8");
        for (const { file, find, replace } of own) {
          const count = contents.split(find).length - 1;
          if (count !== 1) return { errors: [{ text: `${file} has ${count} times: ${find}` }] };
          contents = contents.replace(find, () => replace);
        }
        return { contents, loader: "ts" };
      });
      build.onEnd(() => ({
        errors: [...byPath.keys()]
          .filter((path) => !loaded.has(path))
          .map((path) => ({ text: `${path} is no part of the build` })),
      }));
    },
  };
}
