import { parseArgs } from "node:util";
import { SYSTEM_CLOCKS } from "./clock.js";
import { ConfigError, DEFAULTS, places, tcpAddress } from "./config.js";
import { AlreadyRunning, type Daemon, prepareStateDirectory, startDaemon } from "./daemon.js";
import { openLog } from "./log.js";
import { VERSION } from "./version.js";

const USAGE = `Usage: agtmuxd [--log-level trace|debug|info|warn|error] [--tcp HOST:PORT]
       agtmuxd export [--runtime ID]
       agtmuxd replay FILE

The AGTMUX daemon, in the foreground. agtmux starts it by itself; run it by hand to see why it will not start.
--tcp (or AGTMUX_TCP) serves on a loopback port too, to whoever brings the token that it writes to tcp-token in the
state directory. export writes the stored event log; replay folds one anew and says where it differs from what was stored.`;

const LEVELS = new Set(["trace", "debug", "info", "warn", "error"]);

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
    const tcp = tcpAddress(given.tcp ?? env["AGTMUX_TCP"]);
    daemon = await startDaemon({ places: where, config: DEFAULTS, env, log, clocks: SYSTEM_CLOCKS, tcp });
  } catch (error) {
    return refused(error);
  }
  await Promise.race([daemon.shutdownAsked, signalled()]);
  await daemon.stop();
  return EXIT.ok;
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
