import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { SshChannel, SshConnection, SshFailure } from "../../../src/server/targets/ssh/connection.js";
import { UserSshOpener } from "../../../src/server/targets/ssh/opener.js";
import { freePort, makeKey, SshClientHome, TestAgent, TestSshd, until } from "./sshd.js";
import { DeafPort, FakeServer, Relay } from "./stand-ins.js";

let home: SshClientHome;
let sshd: TestSshd;
let strict: TestSshd;
let deaf: DeafPort;
let agent: TestAgent;
const connections: SshConnection[] = [];

beforeAll(async () => {
  home = new SshClientHome();
  [sshd, strict, deaf, agent] = await Promise.all([
    TestSshd.start({ authorized: [home.key] }),
    TestSshd.start({
      authorized: [home.key],
      settings: [
        "AllowStreamLocalForwarding no",
        "AllowTcpForwarding no",
        "Subsystem sftp /nowhere",
        "MaxSessions 2",
      ],
    }),
    DeafPort.start(),
    TestAgent.start(home.directory),
  ]);
});
afterAll(async () => {
  for (const connection of connections) connection.close();
  deaf.close();
  agent.close();
  await Promise.all([sshd.close(), strict.close()]);
  home.close();
});
beforeEach(() => {
  home.trust("vm1", sshd);
  sshd.authorize([home.key]);
});

async function open(options: { handshakeMs?: number; signal?: AbortSignal } = {}): Promise<SshConnection> {
  const opener = new UserSshOpener({
    env: process.env,
    configFile: home.configFile,
    handshakeMs: options.handshakeMs,
  });
  const connection = await opener.open("vm1", options.signal ?? new AbortController().signal);
  connections.push(connection);
  return connection;
}

const toVm1 = (more: string): void => home.write(`Host vm1\n  Port ${sshd.port}\n  ${more}\n`);
const path = (name: string): string => join(home.directory, name);

interface Case {
  readonly kind: SshFailure;
  readonly retryable: boolean;
  readonly arrange: () => Promise<void> | void;
  readonly says: RegExp;
  readonly advises: RegExp;
  /** Milliseconds for the handshake. */
  readonly within?: number;
}

const cases: Readonly<Record<string, Case>> = {
  "a connection that is refused": {
    kind: "refused",
    retryable: true,
    arrange: async () => home.write(`Host vm1\n  Port ${await freePort()}\n`),
    says: /^nothing listens on 127\.0\.0\.1:\d+$/,
    advises: /start sshd.*Port and HostName of vm1/,
  },
  "a name without an address": {
    kind: "resolve",
    retryable: true,
    arrange: () => home.write("Host vm1\n  HostName no-such-host.invalid\n"),
    says: /^the name no-such-host\.invalid has no address/,
    advises: /HostName of vm1.*network or VPN/,
  },
  "packets that are dropped": {
    kind: "timeout",
    retryable: true,
    arrange: () => home.write(`Host vm1\n  Port ${deaf.port}\n  ConnectTimeout 1\n`),
    says: /did not answer within 1 s$/,
    advises: /firewall/,
  },
  "a host that says nothing": {
    kind: "timeout",
    retryable: true,
    arrange: async () => home.write(`Host vm1\n  Port ${(await fake(() => undefined)).port}\n`),
    says: /was not done with the key exchange within 0\.4 s$/,
    advises: /overloaded/,
    within: 400,
  },
  "a host that talks slowly and without end": {
    kind: "timeout",
    retryable: true,
    arrange: async () => {
      const server = await fake((socket) => {
        const timer = setInterval(() => socket.write("x"), 10);
        socket.on("close", () => clearInterval(timer));
      });
      home.write(`Host vm1\n  Port ${server.port}\n`);
    },
    says: /the key exchange/,
    advises: /overloaded/,
    within: 400,
  },
  "a host that floods": {
    kind: "failed",
    retryable: true,
    arrange: async () => {
      const server = await fake((socket) => {
        const more = (): void => {
          while (socket.writable && socket.write(`${"line of a greeting ".repeat(4)}\n`.repeat(500)));
        };
        socket.on("drain", more);
        more();
      });
      home.write(`Host vm1\n  Port ${server.port}\n`);
    },
    says: /does not speak ssh as it should/,
    advises: /see what listens there/,
  },
  "a host that floods in ssh's own words": {
    kind: "failed",
    retryable: true,
    arrange: async () => {
      // SSH_MSG_IGNORE, which every side must take at any time.
      const ignored = Buffer.alloc(8 + 32 * 1024);
      ignored.writeUInt32BE(ignored.length - 4, 0);
      ignored[4] = 10;
      ignored[5] = 2;
      ignored.writeUInt32BE(ignored.length - 20, 6);
      const server = await fake((socket) => {
        const more = (): void => {
          while (socket.writable && socket.write(ignored));
        };
        socket.on("drain", more);
        socket.write("SSH-2.0-flood\r\n");
        more();
      });
      home.write(`Host vm1\n  Port ${server.port}\n`);
    },
    says: /it sends without end$/,
    advises: /see what listens there/,
    within: 5_000,
  },
  "a host that speaks something else": {
    kind: "failed",
    retryable: true,
    arrange: async () => {
      const server = await fake((socket) =>
        socket.write(`SSH-2.0-\u001b]0;evil\u0007\r\n${"\u001b[2J".repeat(100)}`),
      );
      home.write(`Host vm1\n  Port ${server.port}\n`);
    },
    says: /^[\x20-\x7e]+ does not speak ssh as it should: [\x20-\x7e]+$/,
    advises: /ssh vm1/,
  },
  "a host that hangs up": {
    kind: "failed",
    retryable: true,
    arrange: async () => home.write(`Host vm1\n  Port ${(await fake((socket) => socket.end())).port}\n`),
    says: /closed the connection before the login$/,
    advises: /what listens there/,
  },
  "an unknown host key": {
    kind: "host_key_unknown",
    retryable: false,
    arrange: () => writeFileSync(home.knownHosts, ""),
    says: /^the host key of vm1 \(\[127\.0\.0\.1\]:\d+\) is not known: ED25519 SHA256:\S{43} is in none of \S+known_hosts$/,
    advises:
      /"ssh vm1" once and compare.*ssh-keyscan -p \d+ 127\.0\.0\.1 >> \S+known_hosts.*--accept-new-host-key/,
  },
  "a host key that only an authority vouches for": {
    kind: "host_key_unknown",
    retryable: false,
    arrange: () => writeFileSync(home.knownHosts, `@cert-authority * ${home.key.publicKey}\n`),
    says: /known_hosts:1 trusts a certificate authority; certificates are not taken/,
    advises: /ssh vm1/,
  },
  "an unknown host key that a KnownHostsCommand would have told": {
    kind: "host_key_unknown",
    retryable: false,
    arrange: () => {
      toVm1("KnownHostsCommand /bin/cat /dev/null");
      writeFileSync(home.knownHosts, "");
    },
    says: /is not known/,
    advises: /KnownHostsCommand cannot be honoured/,
  },
  "a changed host key": {
    kind: "host_key_changed",
    retryable: false,
    arrange: () => {
      const other = makeKey(path(`changed_${Math.random()}`));
      writeFileSync(home.knownHosts, `# mine\n${sshd.knownHostsLine(other)}`);
    },
    says: /^the host key of vm1 \(.*\) has changed: it shows ED25519 SHA256:\S+, and \S+known_hosts:2 says ED25519 SHA256:\S+$/,
    advises: /ssh-keygen -R '\[127\.0\.0\.1\]:\d+' -f \S+known_hosts/,
  },
  "a host key that known_hosts revokes": {
    kind: "host_key_revoked",
    retryable: false,
    arrange: () =>
      writeFileSync(home.knownHosts, `${sshd.knownHostsLine()}@revoked * ${sshd.hostKeys[0]?.publicKey}\n`),
    says: /revoked by \S+known_hosts:2$/,
    advises: /new key/,
  },
  "a host key that RevokedHostKeys revokes": {
    kind: "host_key_revoked",
    retryable: false,
    arrange: () => {
      writeFileSync(path("revoked"), `${sshd.hostKeys[0]?.publicKey} old\n`);
      toVm1(`RevokedHostKeys ${path("revoked")}`);
    },
    says: /revoked by \S+revoked$/,
    advises: /new key/,
  },
  "a RevokedHostKeys that is not there": {
    kind: "config",
    retryable: false,
    arrange: () => toVm1(`RevokedHostKeys ${path("nowhere")}`),
    says: /nowhere is not there/,
    advises: /RevokedHostKeys/,
  },
  "a RevokedHostKeys in binary": {
    kind: "config",
    retryable: false,
    arrange: () => {
      execFileSync("ssh-keygen", ["-q", "-k", "-f", path("krl"), `${home.key.path}.pub`], {
        stdio: "ignore",
      });
      toVm1(`RevokedHostKeys ${path("krl")}`);
    },
    says: /binary/,
    advises: /public keys, one a line/,
  },
  "a known_hosts that cannot be read": {
    kind: "config",
    retryable: false,
    arrange: () => {
      mkdirSync(path("a_directory"), { recursive: true });
      toVm1(`UserKnownHostsFile ${path("a_directory")}`);
    },
    says: /a_directory cannot be read/,
    advises: /readable/,
  },
  "a refused key": {
    kind: "auth",
    retryable: false,
    arrange: () => sshd.authorize([]),
    says: /@vm1 was refused with each of: ED25519 SHA256:\S+ \(\S+id_test\)$/,
    advises: /authorized_keys/,
  },
  "no key at all": {
    kind: "auth",
    retryable: false,
    arrange: () => home.write(`Host *\n  Port ${sshd.port}\n`, false),
    says: /there is no key to log in/,
    advises: /IdentityFile.*SSH_AUTH_SOCK/,
  },
  "a public key whose private half is nowhere": {
    kind: "auth",
    retryable: false,
    arrange: () => home.write(`Host *\n  Port ${sshd.port}\n  IdentityFile ${home.key.path}.pub\n`, false),
    says: /^there is no key to log in to \S+@vm1 with$/,
    advises: /add a key to the agent/,
  },
  "an agent that is not there": {
    kind: "auth",
    retryable: false,
    arrange: () => home.write(`Host *\n  Port ${sshd.port}\n  IdentityAgent ${path("no.sock")}\n`, false),
    says: /the agent at \S+no\.sock gives no keys/,
    advises: /add a key to the agent/,
  },
  "more keys than the host has patience for": {
    kind: "auth",
    retryable: false,
    arrange: () => {
      for (let index = 0; index < 8; index++) agent.add(makeKey(path(`many_${Math.random()}`)));
      home.write(`Host *\n  Port ${sshd.port}\n  IdentityAgent ${agent.socket}\n`, false);
    },
    says: /was refused: .*[Tt]oo many authentication failures/,
    advises: /IdentitiesOnly yes/,
  },
  "a key file that others may read": {
    kind: "auth",
    retryable: false,
    arrange: () => {
      const key = makeKey(path(`open_${Math.random()}`));
      sshd.authorize([key]);
      chmodSync(key.path, 0o640);
      toVm1(`IdentityFile ${key.path}`);
    },
    says: /others may read it$/,
    advises: /chmod 600 \S+open_/,
  },
  "an encrypted key that the host takes": {
    kind: "key_encrypted",
    retryable: false,
    arrange: () => {
      const key = makeKey(path(`locked_${Math.random()}`), { passphrase: "secret" });
      sshd.authorize([key]);
      toVm1(`IdentityFile ${key.path}`);
    },
    says: /^vm1 takes the key \S+locked_\S+, which is encrypted and in no agent$/,
    advises: /ssh-add \S+locked_/,
  },
  "an encrypted key in old format, of which only the passphrase tells": {
    kind: "key_encrypted",
    retryable: false,
    arrange: () => {
      const key = makeKey(path(`old_${Math.random()}`), { type: "ecdsa", passphrase: "secret", pem: true });
      execFileSync("rm", [`${key.path}.pub`]);
      sshd.authorize([key]);
      toVm1(`IdentityFile ${key.path}`);
    },
    says: /old_\S+ is encrypted and could not be/,
    advises: /ssh-add \S+old_/,
  },
  "an encrypted key that the host would not take anyway": {
    kind: "auth",
    retryable: false,
    arrange: () => {
      const key = makeKey(path(`other_${Math.random()}`), { passphrase: "secret" });
      sshd.authorize([]);
      toVm1(`IdentityFile ${key.path}`);
    },
    says: /was refused with each of/,
    advises: /authorized_keys/,
  },
  "a certificate that cannot be used": {
    kind: "config",
    retryable: false,
    arrange: () => {
      sshd.authorize([]);
      toVm1(`CertificateFile ${path("id-cert.pub")}`);
    },
    says: /none of the plain keys/,
    advises: /CertificateFile cannot be honoured.*authorized_keys/,
  },
  "no algorithm in common": {
    kind: "config",
    retryable: false,
    arrange: () => toVm1("HostKeyAlgorithms rsa-sha2-512"),
    says: /have no host key format in common/,
    advises: /the daemon offers rsa-sha2-512/,
  },
  "a ProxyCommand that fails": {
    kind: "proxy",
    retryable: true,
    arrange: () => toVm1("ProxyCommand sh -c 'echo no way to %h >&2; exit 7'"),
    says: /^the ProxyCommand of vm1 did not lead to it: it ended with status 7: no way to 127\.0\.0\.1$/,
    advises: /by hand/,
  },
  "a ProxyCommand that would colour the terminal": {
    kind: "proxy",
    retryable: true,
    arrange: () => {
      writeFileSync(path("evil"), "printf '\\033]0;evil\\007 no\\n' >&2; exit 7");
      toVm1(`ProxyCommand sh ${path("evil")}`);
    },
    says: /: \]0;evil {2}no$/,
    advises: /by hand/,
  },
  "a ProxyCommand that says nothing": {
    kind: "timeout",
    retryable: true,
    arrange: () => toVm1("ProxyCommand sleep 60"),
    says: /the key exchange/,
    advises: /drops packets/,
    within: 400,
  },
  "a jump host that cannot reach the target": {
    kind: "proxy",
    retryable: true,
    arrange: async () =>
      home.write(
        `Host vm1\n  Port ${await freePort()}\n  ProxyJump bastion\nHost bastion\n  Port ${sshd.port}\n  ProxyJump none\n`,
      ),
    says: /^the jump host bastion did not connect to 127\.0\.0\.1:\d+: Connection refused$/,
    advises: /reached from bastion/,
  },
  "a jump host that forbids it": {
    kind: "proxy",
    retryable: true,
    arrange: () => {
      home.write(
        `Host vm1\n  Port ${sshd.port}\n  ProxyJump bastion\nHost bastion\n  Port ${strict.port}\n  ProxyJump none\n`,
      );
      writeFileSync(home.knownHosts, sshd.knownHostsLine() + strict.knownHostsLine());
    },
    says: /the jump host bastion did not connect/,
    advises: /AllowTcpForwarding/,
  },
  "a jump host that is down": {
    kind: "refused",
    retryable: true,
    arrange: async () =>
      home.write(`Host vm1\n  ProxyJump bastion\nHost bastion\n  Port ${await freePort()}\n`),
    says: /^jump host bastion: nothing listens/,
    advises: /of bastion in/,
  },
  "a way in a circle": {
    kind: "config",
    retryable: false,
    arrange: () => home.write("Host *\n  ProxyJump vm1\n"),
    says: /leads in a circle/,
    advises: /ProxyJump none/,
  },
};

const servers: FakeServer[] = [];
async function fake(answer: Parameters<typeof FakeServer.start>[0]): Promise<FakeServer> {
  const server = await FakeServer.start(answer);
  servers.push(server);
  return server;
}
afterAll(() => {
  for (const server of servers) server.close();
});

describe("TC-076 what stands in the way is said in one line, with what to do", () => {
  it.each(Object.entries(cases))(
    "%s",
    async (_title, { kind, retryable, arrange, says, advises, within }) => {
      await arrange();
      const attempt = open(within === undefined ? {} : { handshakeMs: within });
      const error = await attempt.then(
        () => undefined,
        (reason: unknown) => reason,
      );
      expect(error).toMatchObject({ name: "SshError", kind, retryable });
      expect(error).toMatchObject({
        message: expect.stringMatching(says),
        advice: expect.stringMatching(advises),
      });
      expect(`${(error as Error).message}`).not.toContain("\n");
    },
  );

  it("an agent that waits for a person is no reason to ask again by itself", async () => {
    const socket = path("slow-agent.sock");
    // Lists the key and never signs.
    const blob = Buffer.from(home.key.publicKey.split(" ")[1] ?? "", "base64");
    let clients = 0;
    const server = createServer((client) => {
      clients++;
      client.on("close", () => clients--);
      client.on("data", (data: Buffer) => {
        if (data[4] !== 11) return;
        const body = Buffer.concat([
          Buffer.from([12]),
          u32(1),
          u32(blob.length),
          blob,
          u32(1),
          Buffer.from("k"),
        ]);
        client.write(Buffer.concat([u32(body.length), body]));
      });
    });
    await new Promise<void>((resolve) => server.listen(socket, resolve));
    home.write(`Host *\n  Port ${sshd.port}\n  IdentityAgent ${socket}\n`, false);
    await expect(open({ handshakeMs: 700 })).rejects.toMatchObject({
      kind: "auth",
      retryable: false,
      advice: expect.stringContaining("confirmation or a touch"),
    });
    await until("the agent is let go", () => clients === 0);
    server.close();
  });

  it("an attempt that is given up ends at once, wherever it is", async () => {
    for (const port of [deaf.port, (await fake(() => undefined)).port]) {
      home.write(`Host vm1\n  Port ${port}\n`);
      const stop = new AbortController();
      const began = performance.now();
      const attempt = open({ signal: stop.signal });
      setTimeout(() => stop.abort(), 100);
      await expect(attempt).rejects.toMatchObject({ kind: "failed", message: "the attempt was given up" });
      expect(performance.now() - began).toBeLessThan(1_000);
    }
  });
});

const u32 = (value: number): Buffer => {
  const buffer = Buffer.alloc(4);
  buffer.writeUInt32BE(value);
  return buffer;
};

describe("TC-076 a host that allows less than others", () => {
  beforeEach(() => home.trust("vm1", strict));

  it("forwards no socket: that is said, and the connection goes on", async () => {
    const connection = await open();
    await expect(connection.forwardIn("/tmp/never.sock", () => undefined)).rejects.toMatchObject({
      kind: "forwarding_refused",
      retryable: false,
      advice: expect.stringContaining("AllowStreamLocalForwarding"),
    });
    (await connection.exec("true")).close();
  });

  it("has no sftp: that is said, and the connection goes on", async () => {
    const connection = await open();
    await expect(connection.sftp()).rejects.toMatchObject({
      kind: "failed",
      advice: expect.stringContaining("Subsystem"),
    });
    (await connection.exec("true")).close();
  });

  it("has no more sessions: that is said, and one that is closed makes room", async () => {
    const connection = await open();
    const first = await connection.exec("cat");
    await connection.exec("cat");
    await expect(connection.exec("true")).rejects.toMatchObject({
      kind: "failed",
      advice: expect.stringContaining("MaxSessions"),
    });
    first.close();
    await first.closed;
    let more: SshChannel | undefined;
    while (more === undefined) more = await connection.exec("true").catch(() => undefined);
    more.close();
  });
});

describe("TC-076 a connection that goes dead", () => {
  const through = (relay: Relay): void => {
    home.write(
      `Host vm1\n  Port ${relay.port}\n  HostKeyAlias vm1\n  ServerAliveInterval 1\n  ServerAliveCountMax 1\n`,
    );
    writeFileSync(home.knownHosts, `vm1 ${sshd.hostKeys[0]?.publicKey}\n`);
  };

  it("is noticed though nothing closes it, and what waits fails", { timeout: 15_000 }, async () => {
    const relay = await Relay.start(sshd.port);
    through(relay);
    const connection = await open();
    const channel = await connection.exec("sleep 100");
    relay.drop("both");
    const began = performance.now();
    const waiting = connection.exec("true", { timeoutMs: 60_000 });
    await expect(waiting).rejects.toMatchObject({ kind: "lost", retryable: true });
    expect(performance.now() - began).toBeLessThan(4_000);
    expect(await connection.closed).toMatchObject({
      kind: "lost",
      message: expect.stringContaining("silent"),
    });
    expect(await channel.closed).toEqual({ status: undefined, signal: undefined });
    relay.close();
  });

  it("a request that is not answered fails at its deadline", async () => {
    const relay = await Relay.start(sshd.port);
    through(relay);
    const connection = await open();
    relay.drop("both");
    await expect(connection.exec("true", { timeoutMs: 200 })).rejects.toMatchObject({ kind: "timeout" });
    connection.close();
    relay.close();
  });

  it("lives while anything is heard, though signs of life do not get through", {
    timeout: 15_000,
  }, async () => {
    const relay = await Relay.start(sshd.port);
    through(relay);
    const connection = await open();
    const channel = await connection.exec("while sleep 0.2; do echo tick; done");
    let heard = 0;
    channel.stdout.on("data", () => heard++);
    relay.drop("up");
    let over = false;
    void connection.closed.then(() => {
      over = true;
    });
    await until("it has ticked for three seconds", () => heard >= 15 || over);
    expect(over).toBe(false);
    relay.drop("down");
    await connection.closed;
    relay.close();
  });
});

describe("TC-076 the known_hosts of the user", () => {
  it("is left as it is by every refusal", async () => {
    writeFileSync(home.knownHosts, "");
    await expect(open()).rejects.toMatchObject({ kind: "host_key_unknown" });
    expect(readFileSync(home.knownHosts, "utf8")).toBe("");
  });
});
