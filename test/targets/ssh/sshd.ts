import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

export type KeyType = "ed25519" | "ecdsa" | "rsa";

/** A key pair that ssh-keygen made; the public half lies beside the file as `.pub`. */
export interface KeyFile {
  readonly path: string;
  /** `<type> <base64>` */
  readonly publicKey: string;
}

export function makeKey(
  path: string,
  options: { type?: KeyType; passphrase?: string; pem?: boolean } = {},
): KeyFile {
  const argv = [
    "-q",
    "-t",
    options.type ?? "ed25519",
    "-N",
    options.passphrase ?? "",
    "-C",
    "test",
    "-f",
    path,
  ];
  if (options.type === "rsa") argv.push("-b", "2048");
  if (options.pem) argv.push("-m", "PEM");
  execFileSync("ssh-keygen", argv, { stdio: "ignore" });
  return { path, publicKey: readFileSync(`${path}.pub`, "utf8").split(" ").slice(0, 2).join(" ") };
}

export interface SshdOptions {
  readonly hostKeys?: readonly KeyType[];
  /** Public keys that log in; more can be written to `authorizedKeys` at any time. */
  readonly authorized: readonly KeyFile[];
  /** Lines of sshd_config that come before the others, so that they win. */
  readonly settings?: readonly string[];
  /** Where it listens, if not on loopback. */
  readonly place?: SshdPlace | undefined;
}

/** Another place for a server than this one, with an address of its own. */
export interface SshdPlace {
  readonly address: string;
  /** A program and its first arguments, which runs there what follows them, as the same process. */
  readonly within: readonly string[];
}

/** A real OpenSSH sshd on a port of its own, with keys and settings of its own. Logs in the user who runs the tests. */
export class TestSshd {
  readonly directory = mkdtempSync(join(tmpdir(), "agtmux-sshd-"));
  readonly user = userInfo().username;
  readonly hostKeys: readonly KeyFile[];
  readonly authorizedKeys = join(this.directory, "authorized_keys");
  readonly address: string;
  readonly #within: readonly string[];
  #child: ChildProcess | undefined;
  #log = "";

  private constructor(
    readonly port: number,
    options: SshdOptions,
  ) {
    this.address = options.place?.address ?? "127.0.0.1";
    this.#within = options.place?.within ?? [];
    const types = options.hostKeys ?? ["ed25519"];
    this.hostKeys = types.map((type) => makeKey(join(this.directory, `host_${type}`), { type }));
    this.authorize(options.authorized);
    writeFileSync(
      this.#configFile,
      [
        ...(options.settings ?? []),
        // Login shells are killed here; those of the user's own home may leave locks behind.
        `SetEnv HOME=${this.directory}`,
        `Port ${port}`,
        `ListenAddress ${this.address}`,
        ...this.hostKeys.map(({ path }) => `HostKey ${path}`),
        `AuthorizedKeysFile ${this.authorizedKeys}`,
        `PidFile ${join(this.directory, "pid")}`,
        "UsePAM no",
        "StrictModes no",
        "PermitRootLogin yes",
        "PasswordAuthentication no",
        "KbdInteractiveAuthentication no",
        "MaxStartups 100",
        ...(options.settings?.some((line) => line.startsWith("Subsystem"))
          ? []
          : ["Subsystem sftp internal-sftp"]),
        "LogLevel VERBOSE",
        "",
      ].join("\n"),
    );
  }

  static async start(options: SshdOptions): Promise<TestSshd> {
    const sshd = new TestSshd(await freePort(), options);
    await sshd.restart();
    return sshd;
  }

  get #configFile(): string {
    return join(this.directory, "sshd_config");
  }

  /** What sshd wrote to its log so far. */
  get log(): string {
    return this.#log;
  }

  authorize(keys: readonly KeyFile[]): void {
    writeFileSync(this.authorizedKeys, keys.map(({ publicKey }) => `${publicKey}\n`).join(""));
  }

  /** Its address as known_hosts names it, and a key; one line. */
  knownHostsLine(key = this.hostKeys[0]): string {
    return `[${this.address}]:${this.port} ${key?.publicKey}\n`;
  }

  async restart(): Promise<void> {
    await this.stop();
    // Where sshd puts its unprivileged half; packages make it at boot only.
    if (userInfo().uid === 0 && !existsSync("/run/sshd")) mkdirSync("/run/sshd", { mode: 0o755 });
    const words = [...this.#within, "/usr/sbin/sshd", "-D", "-e", "-f", this.#configFile];
    const child = spawn(words[0] ?? "", words.slice(1), {
      stdio: ["ignore", "ignore", "pipe"],
    });
    child.stderr.on("data", (chunk: Buffer) => {
      this.#log += chunk.toString();
    });
    this.#child = child;
    await until("sshd listens", () => {
      if (child.exitCode !== null) throw new Error(`sshd ended: ${this.#log}`);
      return this.#log.includes(`Server listening on ${this.address} port ${this.port}`);
    });
    this.#log = "";
  }

  /** Of the listener, or of what runs it in another place. */
  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** The pids of the processes that serve connections, the nearest to the listener first. */
  sessions(): number[] {
    const pid = this.#child?.pid;
    return pid === undefined ? [] : descendants(pid);
  }

  /** Whether a process is sshd or below it. */
  owns(pid: number): boolean {
    return pid === this.#child?.pid || this.sessions().includes(pid);
  }

  /** Kills every connection and leaves the listener. */
  killSessions(): void {
    for (const pid of this.sessions()) kill(pid);
  }

  /** Stops the listener and everything below it, as when the machine sleeps; the kernel still takes connections. */
  suspend(): void {
    this.#tell("SIGSTOP");
  }

  resume(): void {
    this.#tell("SIGCONT");
  }

  #tell(name: NodeJS.Signals): void {
    const pid = this.#child?.pid;
    if (pid === undefined) return;
    // The listener first: it starts no more then.
    kill(pid, name);
    for (const session of this.sessions()) kill(session, name);
  }

  /** Ends the listener and every connection. */
  async stop(): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.pid === undefined) return;
    const pids = [child.pid, ...this.sessions()];
    this.#child = undefined;
    for (const pid of pids) kill(pid);
    await until("sshd is gone", () => child.exitCode !== null || child.signalCode !== null);
  }

  async close(): Promise<void> {
    await this.stop();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** The client's side: an ssh_config of its own, a known_hosts, and a key. */
export class SshClientHome {
  readonly directory = mkdtempSync(join(tmpdir(), "agtmux-ssh-"));
  readonly configFile = join(this.directory, "config");
  readonly knownHosts = join(this.directory, "known_hosts");
  readonly key: KeyFile = makeKey(join(this.directory, "id_test"));

  constructor() {
    writeFileSync(this.knownHosts, "");
    this.write("");
  }

  /** Sections of ssh_config; what they leave open is taken from this home alone. `key`: whether its key is named. */
  write(sections: string, key = true): void {
    writeFileSync(
      this.configFile,
      `${sections}
Host *
  HostName 127.0.0.1
${key ? `  IdentityFile ${this.key.path}` : "  IdentityFile none"}
  IdentityAgent none
  UserKnownHostsFile ${this.knownHosts}
  GlobalKnownHostsFile none
`,
    );
    chmodSync(this.configFile, 0o600);
  }

  /** Writes the settings for one host and makes its key known. */
  trust(alias: string, sshd: TestSshd): void {
    this.write(`Host ${alias}\n  HostName ${sshd.address}\n  Port ${sshd.port}\n`);
    this.know([sshd]);
  }

  /** Makes the keys of these hosts known, and no others. */
  know(hosts: readonly TestSshd[]): void {
    const lines = hosts.flatMap((sshd) => sshd.hostKeys.map((key) => sshd.knownHostsLine(key)));
    writeFileSync(this.knownHosts, lines.join(""));
  }

  close(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** A real ssh-agent. */
export class TestAgent {
  readonly #child: ChildProcess;

  private constructor(
    readonly socket: string,
    child: ChildProcess,
  ) {
    this.#child = child;
  }

  static async start(directory: string): Promise<TestAgent> {
    const socket = join(directory, "agent.sock");
    const child = spawn("ssh-agent", ["-D", "-a", socket], { stdio: "ignore" });
    await until("the agent listens", () => existsSync(socket));
    return new TestAgent(socket, child);
  }

  add(key: KeyFile): void {
    const env = { ...process.env, SSH_AUTH_SOCK: this.socket };
    execFileSync("ssh-add", ["-q", key.path], { env, stdio: "ignore" });
  }

  close(): void {
    this.#child.kill("SIGKILL");
  }
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

/** Polls until the condition holds, at most 10 s long. */
export async function until(what: string, condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`waited in vain until ${what}`);
    await delay(5);
  }
}

export function descendants(pid: number): number[] {
  let children: number[];
  try {
    children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8")
      .split(" ")
      .filter(Boolean)
      .map(Number);
  } catch {
    // It has ended in the meantime.
    return [];
  }
  return children.flatMap((child) => [child, ...descendants(child)]);
}

function kill(pid: number, name: NodeJS.Signals = "SIGKILL"): void {
  try {
    process.kill(pid, name);
  } catch {
    // It has ended in the meantime.
  }
}
