import { accessSync, constants, statSync } from "node:fs";
import { parseArgs } from "node:util";
import { SYSTEM_CLOCKS } from "./clock.js";
import { DEFAULTS, type Places, places, tcpAddress } from "./config.js";
import { AlreadyRunning, type Daemon, prepareStateDirectory, startDaemon } from "./daemon.js";
import { openLog } from "./log.js";
import { START_PATIENCE_MS } from "./store/database.js";
import { faultKind, StoreFault, sqliteCode } from "./store/fault.js";
import { VERSION } from "./version.js";

const USAGE = `Usage: agtmuxd [--log-level trace|debug|info|warn|error] [--tcp HOST:PORT]
       agtmuxd export [--runtime ID]
       agtmuxd replay FILE

The AGTMUX daemon, in the foreground. agtmux starts it by itself; run it by hand to see why it will not start.
--tcp (or AGTMUX_TCP) serves on a loopback port too, to whoever brings the token that it writes to tcp-token in the
state directory. export writes the stored event log; replay folds one anew and says where it differs from what was stored.`;

const LEVELS = new Set(["trace", "debug", "info", "warn", "error"]);

const FULL = new Set(["ENOSPC", "EDQUOT"]);
const UNWRITABLE = new Set(["EACCES", "EPERM", "EROFS"]);
const ELSEWHERE = "or set AGTMUX_STATE_DIR to another directory";

/** How long a daemon that has stopped may still be there. */
const LINGER_MS = 1_000;

const EXIT = { ok: 0, usage: 2, failed: 3 } as const;

function say(line: string): void {
  process.stderr.write(`agtmuxd: ${line}\n`);
}

function options(
  argv: string[],
): { level: string; tcp?: string | undefined } | "help" | "version" | undefined {
  try {
    const { values } = parseArgs({
      args: argv,
      options: {
        "log-level": { type: "string", default: "info" },
        tcp: { type: "string" },
        help: { type: "boolean", short: "h" },
        version: { type: "boolean" },
      },
    });
    if (values.help === true) return "help";
    if (values.version === true) return "version";
    const level = values["log-level"];
    if (LEVELS.has(level)) return { level, tcp: values.tcp };
    say(`--log-level ${level}: must be one of ${[...LEVELS].join(", ")}`);
  } catch (error) {
    say(error instanceof Error ? error.message : String(error));
  }
  return undefined;
}

/** Runs a daemon until it is told to stop; returns the exit status. */
export async function runDaemon(argv: string[], env: NodeJS.ProcessEnv): Promise<number> {
  const given = options(argv);
  if (given === "help" || given === "version") {
    process.stdout.write(`${given === "help" ? USAGE : VERSION}\n`);
    return EXIT.ok;
  }
  if (given === undefined) {
    process.stderr.write(`${USAGE}\n`);
    return EXIT.usage;
  }
  process.umask(0o077);
  let daemon: Daemon;
  let where: Places | undefined;
  try {
    where = places(env);
    prepareStateDirectory(where);
    // Before the log is opened, which cannot say so.
    accessSync(where.stateDir, constants.W_OK);
    const { logFile } = where;
    const log = await openLog({
      file: logFile,
      level: given.level,
      fileBytes: DEFAULTS.logFileBytes,
      files: DEFAULTS.logFiles,
    });
    process.on("uncaughtException", (error) => {
      log.fatal({ error: error.stack }, "uncaught");
      say(`internal error, see ${logFile}: ${error.message}`);
      process.exit(EXIT.failed);
    });
    const tcp = tcpAddress(given.tcp ?? env["AGTMUX_TCP"]);
    daemon = await startDaemon({ places: where, config: DEFAULTS, env, log, clocks: SYSTEM_CLOCKS, tcp });
  } catch (error) {
    return refused(error, where);
  }
  await Promise.race([daemon.shutdownAsked, signalled()]);
  await daemon.stop();
  // Whatever is still open by now (a connection that a host does not let go) must not keep the process.
  setTimeout(() => process.exit(EXIT.ok), LINGER_MS).unref();
  return EXIT.ok;
}

function refused(error: unknown, where: Places | undefined): number {
  say(startRefusal(error, where));
  return error instanceof AlreadyRunning ? EXIT.ok : EXIT.failed;
}

/** Why a daemon does not start, in one line that says what to do. */
function startRefusal(error: unknown, places: Places | undefined): string {
  const message = error instanceof Error ? error.message : String(error);
  if (places === undefined) return message;
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  if (FULL.has(code)) return `${message}: free some space, ${ELSEWHERE}`;
  // A port or a socket is refused in the same words.
  if (UNWRITABLE.has(code) && error instanceof Error && "path" in error)
    return `${message}: make it writable, ${ELSEWHERE}`;
  return storeRefusal(error, places) ?? message;
}

function storeRefusal(error: unknown, { database, lockDatabase, stateDir }: Places): string | undefined {
  const sqlite = error instanceof StoreFault ? error.sqlite : sqliteCode(error);
  switch (faultKind(error)) {
    case undefined:
      return undefined;
    case "disk_full":
      return `no space is left for the databases in ${stateDir} (${sqlite}): free some, ${ELSEWHERE}`;
    case "read_only":
      return `a database in ${stateDir} is read-only (${sqlite}): make the directory and its files writable, ${ELSEWHERE}`;
    case "locked":
      return `${database} is locked by another program, waited ${START_PATIENCE_MS / 1_000} s: end that program and start again`;
    case "io": {
      for (const path of [database, lockDatabase]) {
        const isDirectory = statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
        if (isDirectory) return `${path} is a directory: move it away`;
      }
      return `a database in ${stateDir} cannot be opened or read (${sqlite}): look at its disk and its limits, ${ELSEWHERE}`;
    }
    case "corrupt":
      // The database itself would have been set aside if it were none.
      if (sqlite === "SQLITE_NOTADB") return `${lockDatabase} is damaged: remove it and start again`;
      return `${database} is damaged: start again, which sets it aside and begins a new one`;
  }
}

function signalled(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => resolve());
    // The terminal that started the daemon may go; the daemon stays.
    process.on("SIGHUP", () => undefined);
  });
}
