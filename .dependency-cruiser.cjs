/** Imports point one way (docs/architecture.md). test/check/layers.test.ts proves that these rules bite. */
const PARTS = "engine|store|tmux|targets|adapters|ingest|watch|actions|api|replay";

/** `part` may import itself, the engine's pure words, and `allowed`. */
function only(part, allowed, comment) {
  const open = [part, ...allowed].join("|");
  return {
    name: `${part}-imports`,
    comment,
    severity: "error",
    from: { path: `^src/server/${part}/` },
    to: { path: `^src/server/(${PARTS})/`, pathNot: `^src/server/(${open})/` },
  };
}

module.exports = {
  forbidden: [
    {
      name: "no-circular",
      severity: "error",
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ["type-only"] } },
    },
    only("engine", [], "the engine is pure and knows none of its neighbours"),
    only("store", ["engine"], "the store keeps what the engine speaks of"),
    only("adapters", ["engine"], "adapters know their contract and the engine's words"),
    only("tmux", ["engine", "targets"], "tmux is spoken over an executor"),
    only("ingest", ["engine", "store", "adapters"], "signals go to the engine and the store"),
    only("targets", ["engine", "store", "adapters", "ingest", "tmux", "watch"], "targets observe and report"),
    only("watch", ["engine", "store", "tmux", "ingest"], "watch shows what was committed"),
    only(
      "actions",
      ["engine", "store", "tmux", "targets", "adapters", "watch", "ingest"],
      "actions act on targets, and are told of in the journal",
    ),
    only(
      "replay",
      ["engine", "store", "adapters", "ingest"],
      "replay folds what is stored, by the daemon's own rules",
    ),
    {
      name: "engine-is-pure",
      comment: "no I/O and no clock in the engine; hashing is the one thing it takes from Node",
      severity: "error",
      from: { path: "^src/server/engine/" },
      to: { dependencyTypes: ["core"], pathNot: "^(node:)?crypto$" },
    },
    {
      name: "client-knows-only-the-contract",
      severity: "error",
      from: { path: "^src/client/" },
      to: { path: "^src/server/" },
    },
    {
      name: "server-knows-no-client",
      severity: "error",
      from: { path: "^src/server/" },
      to: { path: "^src/client/" },
    },
    {
      name: "only-the-store-speaks-sql",
      comment: "the instance lock is the one other user of the library",
      severity: "error",
      from: { path: "^src/", pathNot: "^src/server/(store/|api/lock\\.ts|api/errors\\.ts)" },
      to: { path: "better-sqlite3" },
    },
    {
      name: "only-executors-start-processes",
      severity: "error",
      from: {
        path: "^src/server/",
        pathNot: "^src/server/(targets/local-(shells|children)|targets/ssh/ssh-process|tmux/doorbell)",
      },
      to: { path: "^(node:)?child_process$" },
    },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["import", "types", "node", "default"],
    },
  },
};
