import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import pino from "pino";
import roll from "pino-roll";

export type Logger = pino.Logger;

export interface LogOptions {
  readonly file: string;
  readonly level: string;
  readonly fileBytes: number;
  readonly files: number;
}

/** Most bytes of lines that wait for a disk that takes none; what is over is dropped. */
const KEPT_BYTES = 1024 * 1024;

/**
 * JSON lines in a rotated file of mode 0600. Payloads, titles and screen texts are never logged, at any level. Rejects if
 * the file cannot be opened.
 */
export async function openLog(options: LogOptions): Promise<Logger> {
  mkdirSync(dirname(options.file), { recursive: true, mode: 0o700 });
  const stream = await roll({
    file: options.file,
    size: `${Math.floor(options.fileBytes / 1024)}k`,
    limit: { count: options.files - 1 },
    mkdir: true,
    mode: 0o600,
    maxLength: KEPT_BYTES,
  });
  await new Promise<void>((resolve, reject) => {
    stream.once("ready", resolve).once("error", reject);
  });
  // A full disk must not end the daemon through its log. What cannot be written waits for the next line.
  stream.on("error", () => undefined);
  return pino({ level: options.level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, stream);
}
