import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import {
  type ErrorFacts,
  type ForeignClient,
  type ForeignStream,
  type Message,
  RpcError,
} from "./foreign-client.js";
import { listedServices, REFLECTION } from "./reflection.js";

const FOLDERS = [join(import.meta.dirname, "..", "..", "proto"), join(import.meta.dirname, "proto")];
const PROGRAM = join(import.meta.dirname, "python", "client.py");
/** Debian's own, whose grpcio it is; the PATH may have another one first. */
const PYTHON = "/usr/bin/python3";

/** Has protoc make Python of the contract; gives the folder. */
function generate(): string {
  const folder = mkdtempSync(join(tmpdir(), "agtmux-python-"));
  const files = FOLDERS.flatMap((from) =>
    readdirSync(from, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".proto")),
  );
  const plugin = execFileSync("which", ["grpc_python_plugin"], { encoding: "utf8" }).trim();
  execFileSync("protoc", [
    ...FOLDERS.map((from) => `-I${from}`),
    `--python_out=${folder}`,
    `--plugin=protoc-gen-grpc=${plugin}`,
    `--grpc_out=${folder}`,
    ...files,
  ]);
  return folder;
}

interface Line {
  readonly id: number;
  readonly message?: Message;
  readonly end?: boolean;
  readonly error?: { readonly status: number; readonly message: string; readonly detail?: ErrorFacts };
}

/** Python's grpcio with the code that protoc generates, in a process of its own. */
export class PythonGrpcio implements ForeignClient {
  readonly #generated = generate();
  readonly #python: ChildProcess;
  readonly #listeners = new Map<number, (line: Line) => void>();
  #calls = 0;

  constructor(socketPath: string) {
    const words = [PROGRAM, socketPath, this.#generated];
    this.#python = spawn(PYTHON, words, { stdio: ["pipe", "pipe", "inherit"] });
    this.#python.once("close", (status) => {
      const error = { status: 2, message: `python ended with ${status}` };
      for (const [id, tell] of this.#listeners) tell({ id, end: true, error });
    });
    if (this.#python.stdout === null) throw new Error("python has no stdout");
    createInterface(this.#python.stdout).on("line", (text) => {
      // Sound: what client.py writes.
      const line = JSON.parse(text) as Line;
      this.#listeners.get(line.id)?.(line);
    });
  }

  async call(method: string, request: Message): Promise<Message> {
    const { messages, over } = this.open(method, request);
    const error = await over;
    if (error !== undefined) throw error;
    const [message] = messages;
    if (message === undefined) throw new Error("no message");
    return message;
  }

  open(method: string, request: Message, deadlineMs?: number): ForeignStream {
    const id = ++this.#calls;
    const messages: Message[] = [];
    const over = new Promise<Error | undefined>((resolve) => {
      this.#listeners.set(id, ({ message, end, error }) => {
        if (message !== undefined) messages.push(message);
        if (end !== true) return;
        this.#listeners.delete(id);
        resolve(error === undefined ? undefined : new RpcError(error.status, error.message, error.detail));
      });
    });
    this.#write({ id, method, request, ...(deadlineMs === undefined ? {} : { deadline_ms: deadlineMs }) });
    return { messages, over, cancel: () => this.#write({ id, cancel: true }) };
  }

  async services(): Promise<string[]> {
    return listedServices(await this.call(REFLECTION, { listServices: "" }));
  }

  close(): void {
    this.#python.kill("SIGKILL");
    rmSync(this.#generated, { recursive: true, force: true });
  }

  #write(line: object): void {
    this.#python.stdin?.write(`${JSON.stringify(line)}\n`);
  }
}
