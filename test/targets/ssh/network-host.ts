import { execFileSync, type StdioOptions, spawnSync } from "node:child_process";
import { readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LoopbackSshd } from "./loopback-sshd.js";
import type { SshdPlace } from "./sshd.js";

const PREFIX = "agtmux";
const BOOT_ID = "/proc/sys/kernel/random/boot_id";
/** Runs what follows the file with that file in place of the host's boot id, in a mount namespace of its own. */
const WITH_BOOT_ID = `mount --bind "$1" ${BOOT_ID} && shift && exec "$@"`;
const WORD_MS = 10_000;

let made = 0;

/** Why no network namespace can be made here; undefined where one can. Asked once, by making one. */
export const namespacesRefused: string | undefined = refusal();

/**
 * A real sshd in a network namespace of its own, at the far end of a cable (a veth pair) that can be pulled, slowed
 * down and put back. Unlike a process that is stopped, a host whose cable is pulled says nothing to anybody.
 */
export class NetworkHost {
  private constructor(
    readonly sshd: LoopbackSshd,
    private readonly name: string,
    private readonly bootIdFile: string,
  ) {}

  static async start(): Promise<NetworkHost> {
    sweep();
    const name = `${PREFIX}-${process.pid}-${++made}`;
    const bootIdFile = join(tmpdir(), `${name}.boot-id`);
    writeFileSync(bootIdFile, "00000000-0000-4000-8000-000000000001\n");
    try {
      const address = connect(name);
      const mounts = ["unshare", "-m", "sh", "-c", WITH_BOOT_ID, "sh", bootIdFile];
      const place: SshdPlace = { address, within: ["ip", "netns", "exec", name, ...mounts] };
      return new NetworkHost(await LoopbackSshd.start([], place), name, bootIdFile);
    } catch (error) {
      disconnect(name);
      rmSync(bootIdFile, { force: true });
      throw error;
    }
  }

  /** From now on packets vanish, both ways and without a word. */
  pull(): void {
    ip("-n", this.name, "link", "set", near(this.name), "down");
  }

  plug(): void {
    ip("-n", this.name, "link", "set", near(this.name), "up");
  }

  /** Both directions carry so many kbit a second; a queue of half a second, and then packets are lost. */
  throttle(kbit: number): void {
    const shape = ["root", "tbf", "rate", `${kbit}kbit`, "burst", "3kb", "latency", "500ms"];
    run("tc", "qdisc", "replace", "dev", far(this.name), ...shape);
    run("tc", "-n", this.name, "qdisc", "replace", "dev", near(this.name), ...shape);
  }

  /** Ends sshd and all it serves while the cable is out: the other side's connections stay open and lead nowhere. */
  async vanish(): Promise<void> {
    this.pull();
    // The kernel forgets the connections: else it would say goodbye as soon as it can.
    run("ip", "netns", "exec", this.name, "ss", "-K", "-t");
    await this.sshd.stop();
    const left = run("ip", "netns", "exec", this.name, "ss", "-Htn");
    if (left !== "") throw new Error(`the kernel keeps connections: ${left}`);
    this.plug();
  }

  /** What processes that sshd starts from now on read as the id of the host's boot: the `boot`th. */
  bootAs(boot: number): void {
    writeFileSync(this.bootIdFile, `00000000-0000-4000-8000-${String(boot).padStart(12, "0")}\n`);
  }

  async close(): Promise<void> {
    try {
      await this.sshd.close();
    } finally {
      disconnect(this.name);
      rmSync(this.bootIdFile, { force: true });
    }
  }
}

/** The cable's end on this side. Interfaces have at most 15 characters. */
function far(name: string): string {
  return `ag${name.slice(PREFIX.length).replaceAll("-", "x")}f`;
}

/** The cable's end on the host's side. */
function near(name: string): string {
  return `ag${name.slice(PREFIX.length).replaceAll("-", "x")}n`;
}

/** Makes the namespace and its cable; returns the address of its end. */
function connect(name: string): string {
  const [outer, inner] = [far(name), near(name)];
  // A network of four addresses in 198.18.0.0/15, which is for such trials; another one for each.
  const block = ((process.pid % 4_096) * 8 + (made % 8)) * 4;
  const at = (offset: number): string => {
    const value = block + offset;
    return `198.${18 + (value >> 16)}.${(value >> 8) & 255}.${value & 255}`;
  };
  const mac = "02:00:00:00:00:02";
  ip("netns", "add", name);
  ip("link", "add", outer, "type", "veth", "peer", "name", inner, "address", mac, "netns", name);
  ip("addr", "add", `${at(1)}/30`, "dev", outer);
  ip("link", "set", outer, "up");
  ip("-n", name, "addr", "add", `${at(2)}/30`, "dev", inner);
  ip("-n", name, "link", "set", inner, "up");
  ip("-n", name, "link", "set", "lo", "up");
  // Else a pulled cable is told from here, after three seconds, as an address that nobody has.
  ip("neigh", "replace", at(2), "lladdr", mac, "dev", outer, "nud", "permanent");
  return at(2);
}

function disconnect(name: string): void {
  for (const words of [
    ["link", "del", far(name)],
    ["netns", "del", name],
  ]) {
    spawnSync("ip", words, { stdio: "ignore", timeout: WORD_MS });
  }
}

/** Takes away what a run left that was killed. */
function sweep(): void {
  const names = listed();
  for (const name of names) {
    const pid = new RegExp(`^${PREFIX}-(\\d+)-\\d+$`, "u").exec(name)?.[1];
    if (pid !== undefined && !alive(Number(pid))) disconnect(name);
  }
}

function listed(): string[] {
  try {
    return readdirSync("/run/netns");
  } catch {
    return []; // none was ever made
  }
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

function refusal(): string | undefined {
  if (process.getuid?.() !== 0) return "network namespaces need root";
  const name = `${PREFIX}-${process.pid}-0`;
  try {
    connect(name);
    run("unshare", "-m", "mount", "--bind", "/dev/null", BOOT_ID);
    return undefined;
  } catch (error) {
    return `this machine refuses network namespaces: ${error instanceof Error ? error.message : String(error)}`;
  } finally {
    disconnect(name);
  }
}

function ip(...words: string[]): void {
  run("ip", ...words);
}

/** Returns what the program prints; throws what it says if it refuses. */
function run(program: string, ...words: string[]): string {
  const stdio: StdioOptions = ["ignore", "pipe", "pipe"];
  return execFileSync(program, words, { encoding: "utf8", stdio, timeout: WORD_MS });
}
