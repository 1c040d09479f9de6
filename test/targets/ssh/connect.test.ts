import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, renameSync, statSync, unlinkSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { type Duplex, Readable } from "node:stream";
import { setImmediate as nextTurn } from "node:timers/promises";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { SshChannel, SshConnection } from "../../../src/server/targets/ssh/connection.js";
import { UserSshOpener } from "../../../src/server/targets/ssh/opener.js";
import { makeKey, SshClientHome, TestAgent, TestSshd, until } from "./sshd.js";

let home: SshClientHome;
let sshd: TestSshd;
let bastion: TestSshd;
let agent: TestAgent;
const connections: SshConnection[] = [];

beforeAll(async () => {
  home = new SshClientHome();
  [sshd, bastion, agent] = await Promise.all([
    TestSshd.start({ authorized: [home.key], hostKeys: ["ed25519", "ecdsa", "rsa"] }),
    TestSshd.start({ authorized: [home.key] }),
    TestAgent.start(home.directory),
  ]);
});
afterAll(async () => {
  for (const connection of connections) connection.close();
  agent.close();
  await Promise.all([sshd.close(), bastion.close()]);
  home.close();
});
beforeEach(() => {
  home.trust("vm1", sshd);
  sshd.authorize([home.key]);
});

async function open(alias = "vm1", options: { acceptNewHostKey?: boolean } = {}): Promise<SshConnection> {
  const opener = new UserSshOpener({ env: process.env, configFile: home.configFile });
  const connection = await opener.open(alias, new AbortController().signal, options);
  connections.push(connection);
  return connection;
}

async function read(channel: SshChannel): Promise<string> {
  let text = "";
  for await (const chunk of channel.stdout) text += chunk.toString();
  return text;
}

async function run(connection: SshConnection, command: string): Promise<string> {
  return read(await connection.exec(command));
}

function readableLength(channel: SshChannel | undefined): number {
  const stdout = channel?.stdout;
  return stdout instanceof Readable ? stdout.readableLength : 0;
}

/** How many processes below sshd run a program. */
function processes(name: string): number {
  return sshd.sessions().filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/comm`, "utf8").trim() === name;
    } catch {
      return false;
    }
  }).length;
}

describe("TC-076 a connection", () => {
  it("runs a command, feeds it, and tells its output, its errors and its status", async () => {
    const connection = await open();
    const channel = await connection.exec("cat; echo bad >&2; exit 3");
    let errors = "";
    channel.stderr.on("data", (chunk: Buffer) => {
      errors += chunk.toString();
    });
    channel.write("one ");
    channel.write(Buffer.from("two"));
    channel.end();
    expect(await read(channel)).toBe("one two");
    expect(await channel.closed).toEqual({ status: 3, signal: undefined });
    expect(errors).toBe("bad\n");
    channel.close();
  });

  it("names the signal that ended a command", async () => {
    const channel = await (await open()).exec("kill -9 $$");
    await read(channel);
    expect(await channel.closed).toEqual({ status: undefined, signal: "SIGKILL" });
  });

  it("closes a channel that nobody reads, and the command's input with it", async () => {
    const connection = await open();
    const channel = await connection.exec("yes");
    channel.close();
    channel.close();
    await channel.closed;
    expect(await run(connection, "echo on")).toBe("on\n");
    await until("the command has missed its reader", () => processes("yes") === 0);
  });

  it("does not wait for a command that goes on when its channel is closed", async () => {
    const connection = await open();
    const channel = await connection.exec("sleep 3");
    channel.close();
    expect(await channel.closed).toEqual({ status: undefined, signal: undefined });
  });

  it("carries sftp", async () => {
    const sftp = await (await open()).sftp();
    const names = await new Promise<number>((resolve, reject) =>
      sftp.readdir(home.directory, (error, list) => (error ? reject(error) : resolve(list.length))),
    );
    expect(names).toBeGreaterThan(2);
  });

  it("hands over the connections to a socket on the host, each as a stream that closes", async () => {
    const connection = await open();
    const path = join(home.directory, "forwarded.sock");
    const streams: Duplex[] = [];
    const forward = await connection.forwardIn(path, (stream) => {
      streams.push(stream);
      stream.on("error", () => undefined);
      if (streams.length === 1) stream.on("data", (chunk: Buffer) => stream.end(`heard ${chunk.toString()}`));
    });
    const answer = await new Promise<string>((resolve) => {
      const socket = connect(path, () => socket.write("hello"));
      socket.on("data", (chunk) => resolve(chunk.toString())).on("end", () => socket.end());
    });
    expect(answer).toBe("heard hello");
    // One that is destroyed unread goes as well.
    const gone = new Promise((resolve) => {
      const socket = connect(path, () => socket.write("x".repeat(100_000)));
      socket
        .on("error", () => undefined)
        .on("close", resolve)
        .resume();
    });
    await until("the second stream is there", () => streams.length === 2);
    streams[1]?.destroy();
    await gone;
    await until("both streams are closed", () => streams.every((stream) => stream.closed));
    await forward.close();
    unlinkSync(path);
    expect(existsSync(path)).toBe(false);
  });

  it("refuses the sixty-fifth forwarded connection at a time", async () => {
    const connection = await open();
    const path = join(home.directory, "crowd.sock");
    let accepted = 0;
    await connection.forwardIn(path, (stream) => {
      accepted++;
      stream.on("error", () => undefined);
    });
    const sockets = Array.from({ length: 70 }, () => connect(path).on("error", () => undefined));
    await until("six are turned away", () => sockets.filter((socket) => socket.closed).length === 6);
    expect(accepted).toBe(64);
    for (const socket of sockets) socket.destroy();
    connection.close();
  });

  it("goes on forwarding after a hundred streams that were destroyed unread", async () => {
    const connection = await open();
    const path = join(home.directory, "unread.sock");
    const streams: Duplex[] = [];
    await connection.forwardIn(path, (stream) => streams.push(stream.on("error", () => undefined)));
    for (let round = 1; round <= 100; round++) {
      const socket = connect(path).on("error", () => undefined);
      socket.resume().write("x".repeat(300_000));
      await until("it is forwarded", () => streams.length === round);
      await until(
        "more has come than is taken",
        () => (streams[round - 1]?.readableLength ?? 0) >= 64 * 1024,
      );
      streams[round - 1]?.destroy();
      await until("it is closed", () => socket.closed);
    }
    connection.close();
  });

  it("offers neither the agent nor X11 to the host, whatever the settings say", async () => {
    agent.add(home.key);
    home.write(
      `Host vm1\n  Port ${sshd.port}\n  ForwardAgent yes\n  ForwardX11 yes\n  IdentityAgent ${agent.socket}\n`,
    );
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the remote shell fills it
    expect(await run(await open(), 'echo "${SSH_AUTH_SOCK-none} ${DISPLAY-none}"')).toBe("none none\n");
  });

  it("says once why it is over: closed here, closed there", async () => {
    const connection = await open();
    connection.close();
    expect(await connection.closed).toMatchObject({
      kind: "lost",
      message: expect.stringContaining("closed here"),
    });
    await expect(connection.exec("true")).rejects.toMatchObject({ kind: "lost" });
    await expect(connection.sftp()).rejects.toMatchObject({ kind: "lost" });
    await expect(connection.forwardIn("/x", () => undefined)).rejects.toMatchObject({ kind: "lost" });

    const other = await open();
    const channel = await other.exec("sleep 100");
    sshd.killSessions();
    expect(await other.closed).toMatchObject({ kind: "lost", retryable: true });
    expect(await channel.closed).toEqual({ status: undefined, signal: undefined });
  });

  it("leaves what was opened over it safe to use after its loss", async () => {
    const connection = await open();
    const channels = await Promise.all(
      ["cat", "yes", "sleep 100", "yes"].map((command) => connection.exec(command)),
    );
    const sftp = await connection.sftp();
    const path = join(home.directory, "lost.sock");
    const streams: Duplex[] = [];
    await connection.forwardIn(path, (stream) => streams.push(stream.on("error", () => undefined)));
    const sockets = [connect(path), connect(path)].map((socket) => socket.on("error", () => undefined));
    for (const socket of sockets) socket.resume().write("x".repeat(100_000));
    await until("the sockets are forwarded", () => streams.length === 2);
    channels[2]?.end();
    // Full, so that the rest is still to be read when the connection is over.
    await until(
      "much is unread",
      () => (channels[1]?.stdout.readable ?? false) && readableLength(channels[1]) > 1_000_000,
    );
    sshd.killSessions();
    await connection.closed;
    for (const [index, channel] of channels.entries()) {
      channel.write("more");
      if (index !== 2) channel.end();
      if (index === 1) expect((await read(channel)).length).toBeGreaterThan(1_000_000);
      if (index === 3) for await (const _chunk of channel.stdout) break;
      channel.close();
      await channel.closed;
    }
    sftp.end();
    streams[0]?.destroy();
    streams[1]?.resume().write("more");
    streams[1]?.end();
    await until("the streams are closed", () => streams.every((stream) => stream.closed));
    for (const socket of sockets) socket.destroy();
    unlinkSync(path);
  });

  it("fails what still waits for an answer when it ends", async () => {
    const connection = await open();
    const waiting = connection.exec("true");
    let failed = false;
    waiting.catch(() => {
      failed = true;
    });
    connection.close();
    await connection.closed;
    await nextTurn();
    expect(failed).toBe(true);
    await expect(waiting).rejects.toMatchObject({ kind: "lost" });
  });
});

describe("TC-076 a host key", () => {
  it("is asked for by the type that is known", async () => {
    home.write(`Host vm1\n  Port ${sshd.port}\n`);
    for (const key of sshd.hostKeys) {
      writeFileSync(home.knownHosts, sshd.knownHostsLine(key));
      await open();
    }
  });

  it("is found under hashed names, in any of several files, and under a HostKeyAlias", async () => {
    const other = join(home.directory, "known hosts 2");
    home.write(`Host vm1\n  Port ${sshd.port}\n  UserKnownHostsFile ${home.knownHosts} "${other}"\n`);
    execFileSync("ssh-keygen", ["-H", "-f", home.knownHosts], { stdio: "ignore" });
    await open();
    renameSync(home.knownHosts, other);
    await open();
    writeFileSync(home.knownHosts, `farm ${sshd.hostKeys[0]?.publicKey}\n`);
    home.write(`Host vm1\n  Port ${sshd.port}\n  HostKeyAlias farm\n`);
    await open();
  });

  it.each([false, true])("that is new is written down when that is asked for, hashed: %s", async (hashed) => {
    home.write(
      `Host vm1\n  Port ${sshd.port}\n  HashKnownHosts ${hashed ? "yes" : "no"}\n  UserKnownHostsFile ${home.directory}/new/known_hosts\n`,
    );
    const file = join(home.directory, "new", "known_hosts");
    await expect(open()).rejects.toMatchObject({ kind: "host_key_unknown" });
    expect(existsSync(file)).toBe(false);
    await open("vm1", { acceptNewHostKey: true });
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readFileSync(file, "utf8").startsWith("[127.0.0.1]:")).toBe(!hashed);
    // Now it is known, to us and to ssh.
    await open();
    const found = execFileSync("ssh-keygen", ["-F", `[127.0.0.1]:${sshd.port}`, "-f", file], {
      encoding: "utf8",
    });
    expect(found).toContain("found: line 1");
    unlinkSync(file);
  });

  it("that is new is added below what a file holds, even without an end of line", async () => {
    writeFileSync(home.knownHosts, `[127.0.0.1]:${bastion.port} ${bastion.hostKeys[0]?.publicKey}`);
    await open("vm1", { acceptNewHostKey: true });
    const lines = readFileSync(home.knownHosts, "utf8").split("\n");
    expect(lines[0]).toBe(`[127.0.0.1]:${bastion.port} ${bastion.hostKeys[0]?.publicKey}`);
    expect(lines).toHaveLength(3);
  });

  it("that has changed or is revoked is refused even when new ones are welcome", async () => {
    const other = makeKey(join(home.directory, "other_host"));
    writeFileSync(home.knownHosts, sshd.knownHostsLine(other));
    await expect(open("vm1", { acceptNewHostKey: true })).rejects.toMatchObject({ kind: "host_key_changed" });
    writeFileSync(home.knownHosts, sshd.hostKeys.map((key) => `@revoked * ${key.publicKey}\n`).join(""));
    await expect(open("vm1", { acceptNewHostKey: true })).rejects.toMatchObject({ kind: "host_key_revoked" });
    expect(readFileSync(home.knownHosts, "utf8")).not.toContain("[127.0.0.1]");
  });

  it("that could not be written down ends the attempt", async () => {
    home.write(`Host vm1\n  Port ${sshd.port}\n  UserKnownHostsFile /dev/null\n`);
    await expect(open("vm1", { acceptNewHostKey: true })).rejects.toMatchObject({
      kind: "config",
      message: expect.stringContaining("could not be recorded in /dev/null"),
    });
  });
});

describe("TC-076 a login", () => {
  const settings = (more: string): void => home.write(`Host vm1\n  Port ${sshd.port}\n${more}`);

  it.each(["ed25519", "ecdsa", "rsa"] as const)(
    "takes a key file, in new and old format: %s",
    async (type) => {
      const key = makeKey(join(home.directory, `id_${type}`), { type });
      sshd.authorize([key]);
      settings(`  IdentityFile ${key.path}\n`);
      await open();
      if (type === "ed25519") return;
      const pem = makeKey(join(home.directory, `id_pem_${type}`), { type, pem: true });
      sshd.authorize([pem]);
      settings(`  IdentityFile ${pem.path}\n`);
      await open();
    },
  );

  it.each(["ed25519", "ecdsa", "rsa"] as const)("has the agent sign: %s", async (type) => {
    const key = makeKey(join(home.directory, `agent_${type}`), { type });
    agent.add(key);
    unlinkSync(key.path);
    sshd.authorize([key]);
    settings(`  IdentityAgent ${agent.socket}\n`);
    await open();
    // The .pub beside a file that is not there names the agent's key.
    settings(`  IdentityAgent ${agent.socket}\n  IdentitiesOnly yes\n  IdentityFile ${key.path}\n`);
    await open();
    // A .pub by itself does too.
    settings(`  IdentityAgent ${agent.socket}\n  IdentitiesOnly yes\n  IdentityFile ${key.path}.pub\n`);
    await open();
    // Without a name, IdentitiesOnly keeps the agent's keys back.
    settings(`  IdentityAgent ${agent.socket}\n  IdentitiesOnly yes\n`);
    await expect(open()).rejects.toMatchObject({ kind: "auth" });
  });

  it("uses an encrypted key that the agent holds", async () => {
    const key = makeKey(join(home.directory, "id_locked"));
    agent.add(key);
    execFileSync("ssh-keygen", ["-q", "-p", "-P", "", "-N", "secret", "-f", key.path], { stdio: "ignore" });
    sshd.authorize([key]);
    settings(`  IdentityAgent ${agent.socket}\n  IdentityFile ${key.path}\n`);
    await open();
  });

  it("offers the named keys before the agent's others, so that a host with little patience is not annoyed", async () => {
    for (let index = 0; index < 7; index++) agent.add(makeKey(join(home.directory, `crowd_${index}`)));
    agent.add(home.key);
    settings(`  IdentityAgent ${agent.socket}\n`);
    await open();
  });

  it("tries the next key when one that the host takes cannot sign", async () => {
    const key = makeKey(join(home.directory, "id_gone"), { passphrase: "secret" });
    sshd.authorize([key, home.key]);
    settings(`  IdentityFile ${key.path}\n  IdentityFile ${home.key.path}\n`);
    await open();
  });
});

describe("TC-076 a way through other hosts", () => {
  const jump = (more = ""): void => {
    home.write(
      `Host vm1\n  Port ${sshd.port}\n  ProxyJump bastion\nHost bastion\n  Port ${bastion.port}\n${more}`,
    );
    writeFileSync(home.knownHosts, bastion.knownHostsLine() + sshd.knownHostsLine());
  };

  it("goes over a jump host with its own settings, and ends with the connection", async () => {
    jump();
    const connection = await open();
    expect(await run(connection, "echo $SSH_CONNECTION")).toContain(` ${sshd.port}\n`);
    expect(bastion.sessions().length).toBeGreaterThan(0);
    connection.close();
    await connection.closed;
    await until("the jump host is left", () => bastion.sessions().length === 0);
  });

  it("goes over several, named with user and port", async () => {
    jump();
    const user = bastion.user;
    home.write(
      `Host vm1\n  Port ${sshd.port}\n  ProxyJump ${user}@one:${bastion.port},ssh://${user}@two:${sshd.port}\n`,
    );
    expect(await run(await open(), "echo through")).toBe("through\n");
  });

  it("is over when the jump host is", async () => {
    jump();
    const connection = await open();
    bastion.killSessions();
    expect(await connection.closed).toMatchObject({ kind: "lost" });
  });

  it("checks the jump host's key too, and learns no new one there", async () => {
    jump();
    writeFileSync(home.knownHosts, sshd.knownHostsLine());
    await expect(open("vm1", { acceptNewHostKey: true })).rejects.toMatchObject({
      kind: "host_key_unknown",
      message: expect.stringContaining("jump host bastion: "),
    });
  });

  it("leads through a ProxyCommand, whose end is seen", async () => {
    const script = join(home.directory, "relay.mjs");
    writeFileSync(
      script,
      `import { connect } from "node:net";
       const socket = connect(Number(process.argv[3]), process.argv[2]);
       process.stdin.pipe(socket).pipe(process.stdout);
       socket.on("close", () => process.exit(0));`,
    );
    home.write(`Host vm1\n  Port ${sshd.port}\n  ProxyCommand ${process.execPath} '${script}' %h %p\n`);
    const connection = await open();
    expect(await run(connection, "echo relayed")).toBe("relayed\n");
    sshd.killSessions();
    expect(await connection.closed).toMatchObject({ kind: "lost" });
  });
});
