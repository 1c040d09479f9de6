// npm run bench, after scripts/bench.mjs has built the programs and this: runs the rows one after the other.
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { parseArgs } from "node:util";
import { ROWS } from "./registry.js";
import { countOver, type RowResult, table } from "./report.js";
import { commit, load, machineFacts } from "./support/machine.js";
import { Resources } from "./support/resources.js";
import { type BenchOptions, type Figure, isMet, type Row } from "./support/row.js";

const USAGE = `Usage: npm run bench -- [--only NAME]... [--json FILE] [--long] [--strict] [--list]

  --only NAME  this row only; may be given again
  --json FILE  where the artifact goes; test-results/bench.json by default
  --long       a million events in ingest-memory
  --strict     exit status 1 if a budget is not met
  --list       the rows' names`;

/** What is open now; a signal closes it too. */
let open = new Resources();

/** Runs a row and closes what it has opened. Rejects if it cannot be measured, is late, or does not close. */
async function measure(row: Row, options: BenchOptions): Promise<readonly Figure[]> {
  const resources = new Resources();
  open = resources;
  const deadlineMs = row.deadlineMs(options);
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(`not done after ${deadlineMs} ms`)), deadlineMs);
  try {
    const figures = await Promise.race([row.run({ options, resources }), late.promise]);
    const broken = figures.find(({ value }) => !Number.isFinite(value));
    if (broken !== undefined) throw new Error(`${broken.name} could not be measured`);
    return figures;
  } finally {
    clearTimeout(timer);
    await resources.close();
  }
}

async function runRow(row: Row, options: BenchOptions): Promise<RowResult> {
  const began = performance.now();
  const seconds = (): number => Math.round((performance.now() - began) / 100) / 10;
  try {
    const figures = await measure(row, options);
    return { row: row.name, figures, seconds: seconds() };
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    return { row: row.name, figures: [], seconds: seconds(), error: text };
  }
}

async function main(argv: string[]): Promise<number> {
  const { values } = parseArgs({
    args: argv,
    options: {
      only: { type: "string", multiple: true, default: [] },
      json: { type: "string", default: "test-results/bench.json" },
      long: { type: "boolean", default: false },
      strict: { type: "boolean", default: false },
      list: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  const names = ROWS.map(({ name }) => name);
  const unknown = values.only.find((name) => !names.includes(name));
  if (values.help || values.list || unknown !== undefined) {
    if (unknown !== undefined) process.stderr.write(`no row is named ${unknown}; there are:\n`);
    process.stdout.write(`${values.help ? USAGE : names.join("\n")}\n`);
    return unknown === undefined ? 0 : 2;
  }
  const rows = ROWS.filter(({ name }) => values.only.length === 0 || values.only.includes(name));
  const artifact = {
    schemaVersion: 1,
    startedAt: new Date().toISOString(),
    commit: commit(),
    machine: machineFacts(),
    loadBefore: load(),
  };
  const results: RowResult[] = [];
  for (const row of rows) {
    process.stderr.write(`${row.name} …`);
    const result = await runRow(row, { long: values.long });
    process.stderr.write(` ${result.seconds} s\n`);
    results.push(result);
  }
  const judged = results.map(({ figures, ...rest }) => ({
    ...rest,
    figures: figures.map((figure) => ({ ...figure, met: isMet(figure) })),
  }));
  mkdirSync(dirname(values.json), { recursive: true });
  writeFileSync(values.json, `${JSON.stringify({ ...artifact, rows: judged }, undefined, 2)}\n`);
  const failed = results.filter(({ error }) => error !== undefined).length;
  const over = countOver(results);
  const { cores, processor } = artifact.machine;
  const where = `${cores} cores (${processor}), load ${artifact.loadBefore} before, Node ${process.version}`;
  process.stdout.write(
    `${table(results)}\n${over} over budget, ${failed} failed; ${where}; ${values.json}\n`,
  );
  return failed > 0 || (values.strict && over > 0) ? 1 : 0;
}

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => void open.close().finally(() => process.exit(130)));
}
process.exitCode = await main(process.argv.slice(2));
