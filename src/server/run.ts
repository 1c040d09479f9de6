import { parseArgs } from "node:util";
import { ConfigError, DEFAULTS, places } from "./config.js";
import { AlreadyRunning, type Daemon, prepareStateDirectory, startDaemon } from "./daemon.js";
import { openLog } from "./log.js";
import { VERSION } from "./version.js";

const USAGE = `Usage: agtmuxd [--log-level trace|debug|info|warn|error]

The AGTMUX daemon, in the foreground. agtmux starts it by itself; run it by hand to see why it will not start.`;

const LEVELS = new Set(["trace", "debug", "info", "warn", "error"]);

const EXIT = { ok: 0, usage: 2, failed: 3 } as const;

function say(line: string): void {
  process.stderr.write(`agtmuxd: ${line}\n`);
}

function options(argv: string[]): { level: string } | "help" | "version" | undefined {
  try {
    const { values } = parseArgs({
      args: argv,
      options: {
        "log-level": { type: "string", default: "info" },
        help: { type: "boolean", short: "h" },
        version: { type: "boolean" },
      },
    });
    if (values.help === true) return "help";
    if (values.version === true) return "version";
    const level = values["log-level"];
    if (LEVELS.has(level)) return { level };
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
  try {
    const where = places(env);
    prepareStateDirectory(where);
    const log = await openLog({
      file: where.logFile,
      level: given.level,
      fileBytes: DEFAULTS.logFileBytes,
      files: DEFAULTS.logFiles,
    });
    process.on("uncaughtException", (error) => {
      log.fatal({ error: error.stack }, "uncaught");
      say(`internal error, see ${where.logFile}: ${error.message}`);
      process.exit(EXIT.failed);
    });
    const now = (): number => Math.floor((performance.timeOrigin + performance.now()) * 1_000);
    daemon = await startDaemon({ places: where, config: DEFAULTS, env, log, now: wallClock(now) });
  } catch (error) {
    return refused(error);
  }
  await Promise.race([daemon.shutdownAsked, signalled()]);
  await daemon.stop();
  return EXIT.ok;
}

/** The monotonic clock has microseconds but does not follow the wall clock: it is set by it whenever they part. */
function wallClock(monotonic: () => number): () => number {
  let offset = 0;
  return () => {
    const fine = monotonic() + offset;
    const coarse = Date.now() * 1_000;
    if (Math.abs(fine - coarse) > 5_000) offset += coarse - fine;
    return monotonic() + offset;
  };
}

function refused(error: unknown): number {
  if (error instanceof AlreadyRunning) {
    say(error.message);
    return EXIT.ok;
  }
  if (error instanceof ConfigError) {
    say(error.message);
    return EXIT.failed;
  }
  say(error instanceof Error ? error.message : String(error));
  return EXIT.failed;
}

function signalled(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => resolve());
    // The terminal that started the daemon may go; the daemon stays.
    process.on("SIGHUP", () => undefined);
  });
}
