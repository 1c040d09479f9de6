import { readFileSync, writeSync } from "node:fs";
import { parseArgs } from "node:util";
import { AdapterRegistry } from "../adapters/registry.js";
import { places } from "../config.js";
import { LogReader } from "../store/log-reader.js";
import { parseEventLog } from "./event-log.js";
import { exportLog, replay, replayLines } from "./replay.js";

const EXIT = { ok: 0, differs: 1, usage: 2, failed: 3 } as const;
const STDIN = 0;
const STDOUT = 1;

/**
 * `agtmuxd export [--runtime ID]` and `agtmuxd replay FILE` (`-` for standard input). Returns the exit status: 1 if a
 * stored state is not what its events make.
 */
export function runLogCommand(
  command: "export" | "replay",
  argv: readonly string[],
  env: NodeJS.ProcessEnv,
): number {
  try {
    return command === "export" ? runExport([...argv], env) : runReplay([...argv]);
  } catch (error) {
    process.stderr.write(`agtmuxd ${command}: ${error instanceof Error ? error.message : String(error)}\n`);
    const isUsage = error instanceof TypeError && "code" in error;
    return isUsage ? EXIT.usage : EXIT.failed;
  }
}

function print(line: string): void {
  let rest = Buffer.from(`${line}\n`);
  while (rest.length > 0) rest = rest.subarray(writeSync(STDOUT, rest));
}

function runExport(args: string[], env: NodeJS.ProcessEnv): number {
  const { values } = parseArgs({ args, options: { runtime: { type: "string" } } });
  const reader = new LogReader(places(env).database);
  try {
    reader.picture(() => {
      for (const line of exportLog(reader, values.runtime)) print(line);
    });
  } finally {
    reader.close();
  }
  return EXIT.ok;
}

function runReplay(args: string[]): number {
  const { positionals } = parseArgs({ args, allowPositionals: true, options: {} });
  const [file] = positionals;
  if (file === undefined || positionals.length > 1) {
    process.stderr.write("Usage: agtmuxd replay FILE\n");
    return EXIT.usage;
  }
  const registry = new AdapterRegistry();
  const replayed = replay(parseEventLog(readFileSync(file === "-" ? STDIN : file, "utf8")), (type) =>
    registry.find(type),
  );
  for (const line of replayLines(replayed)) print(line);
  const differing = replayed.filter(({ differs }) => differs !== undefined && differs.length > 0);
  return differing.length === 0 ? EXIT.ok : EXIT.differs;
}
