import pino from "pino";

/** A log for parts that need one. */
export const SILENT = pino({ level: "silent" });
