import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { RowContext } from "./row.js";

const READY_MS = 10_000;

/** Starts the bare server; returns its socket. It ends with the row, and by itself if this process ends first. */
export async function startBareServer({ resources }: RowContext): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), "agtmux-bare-"));
  resources.add(() => rmSync(directory, { recursive: true, force: true }));
  const socket = join(directory, "s");
  const program = join(import.meta.dirname, "bare-server.mjs");
  const child = spawn(process.execPath, [program, socket], { stdio: ["pipe", "pipe", "inherit"] });
  resources.add(() => void child.kill("SIGKILL"));
  await new Promise<void>((resolve, reject) => {
    const late = setTimeout(() => reject(new Error("the bare server does not serve")), READY_MS);
    const settle = (done: () => void): void => {
      clearTimeout(late);
      done();
    };
    child.stdout.once("data", () => settle(resolve));
    child.once("error", (error) => settle(() => reject(error)));
    child.once("exit", (code) => settle(() => reject(new Error(`the bare server ended with ${code}`))));
  });
  return socket;
}
