import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  checkHostKey,
  hostKeyName,
  knownHostLine,
  knownKeyTypes,
  namesHost,
  parseKnownHosts,
} from "../../../src/server/targets/ssh/known-hosts.js";
import { holds } from "../../support/property.js";
import { type KeyFile, makeKey } from "./sshd.js";

let directory: string;
let first: KeyFile;
let second: KeyFile;
let rsa: KeyFile;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "agtmux-known-hosts-"));
  first = makeKey(join(directory, "first"));
  second = makeKey(join(directory, "second"));
  rsa = makeKey(join(directory, "rsa"), { type: "rsa" });
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const blob = (key: KeyFile): Buffer => Buffer.from(key.publicKey.split(" ")[1] ?? "", "base64");
const host = (hostname: string, port = 22) => hostKeyName({ hostname, port, hostKeyAlias: undefined });

/** The numbers of the lines that ssh-keygen finds for a name. */
function oracle(file: string, name: string): number[] {
  let output: string;
  try {
    output = execFileSync("ssh-keygen", ["-F", name, "-f", file], { encoding: "utf8", stdio: "pipe" });
  } catch {
    return [];
  }
  return [...output.matchAll(/^# Host .* found: line (\d+)/gm)].map((match) => Number(match[1]));
}

function found(file: string, name: string): number[] {
  return parseKnownHosts(readFileSync(file, "utf8"), file)
    .filter(({ hosts }) => namesHost(hosts, name))
    .map(({ line }) => line);
}

describe("TC-076 a known_hosts file", () => {
  const label = fc.constantFrom(
    "vm1",
    "vm2",
    "a",
    "b.example",
    "VM1",
    "10.0.0.1",
    "[vm1]:2222",
    "[::1]:22",
    "::1",
  );
  const pattern = fc.oneof(
    label,
    fc.constantFrom("*", "vm?", "*.example", "[vm1]:*", "1?.0.*", "v*1", "?", "", "**a**"),
    label.map((name) => `!${name}`),
    fc.constantFrom("!*", "!vm*"),
  );
  const separator = fc.constantFrom(" ", "\t", "  ");
  const marker = fc.constantFrom("", "", "", "@revoked ", "@cert-authority ", "@strange ");
  const line = fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({ marker, hosts: fc.array(pattern, { minLength: 1, maxLength: 4 }), separator }),
    },
    {
      weight: 1,
      arbitrary: fc.constantFrom("# a comment", "", "   "),
    },
  );

  it("names the same hosts as ssh-keygen finds, for patterns, negations, lists and markers", () => {
    const file = join(directory, "patterns");
    holds(
      fc.property(fc.array(line, { maxLength: 6 }), label, (lines, name) => {
        const text = lines.map((entry) =>
          typeof entry === "string"
            ? entry
            : `${entry.marker}${entry.hosts.join(",")}${entry.separator}${first.publicKey} some comment`,
        );
        writeFileSync(file, `${text.join("\n")}\n`);
        expect(found(file, name)).toEqual(oracle(file, name));
      }),
      150,
    );
  });

  it("finds each name that ssh-keygen has hashed, and no other", () => {
    const file = join(directory, "hashed");
    holds(
      fc.property(fc.uniqueArray(label, { minLength: 1, maxLength: 5 }), label, (names, name) => {
        writeFileSync(file, names.map((one) => `${one} ${first.publicKey}\n`).join(""));
        execFileSync("ssh-keygen", ["-H", "-f", file], { stdio: "ignore" });
        expect(readFileSync(file, "utf8")).toMatch(/^(\|1\|.*\n)*$/);
        expect(found(file, name)).toEqual(oracle(file, name));
        expect(names.every((one) => found(file, one.toLowerCase()).length > 0)).toBe(true);
      }),
      30,
    );
  });

  it("gets lines, plain and hashed, that ssh-keygen finds again", () => {
    const file = join(directory, "written");
    const word = fc.stringMatching(/^[a-z0-9][a-z0-9.]{0,20}$/);
    holds(
      fc.property(word, fc.constantFrom(22, 2222), fc.boolean(), (hostname, port, hashed) => {
        const { name } = host(hostname, port);
        writeFileSync(file, `${knownHostLine(name, blob(first), hashed)}\n`);
        expect(oracle(file, name)).toEqual([1]);
        expect(readFileSync(file, "utf8").startsWith(`${name} `)).toBe(!hashed);
        expect(
          checkHostKey(parseKnownHosts(readFileSync(file, "utf8"), file), host(hostname, port), blob(first)),
        ).toEqual({
          verdict: "known",
        });
      }),
      30,
    );
  });

  it("has its senseless lines passed over, and the others read", () => {
    const text = [
      "vm1",
      "vm1 ssh-ed25519",
      "vm1 ssh-ed25519 %%%",
      "vm1 ssh-rsa AAAA",
      `vm1 ssh-rsa ${first.publicKey}`,
    ]
      .concat(`vm1 ${first.publicKey}\r`, "|1|x|y ssh-ed25519 AAAA")
      .join("\n");
    expect(parseKnownHosts(text, "/f").map(({ line }) => line)).toEqual([6]);
  });

  it("is read in a time that no pattern can stretch", () => {
    const began = performance.now();
    expect(namesHost(`${"*a".repeat(1_000)}b`, `${"a".repeat(2_000)}c`)).toBe(false);
    expect(performance.now() - began).toBeLessThan(1_000);
  });
});

describe("TC-076 a host key is", () => {
  const check = (text: string, name: ReturnType<typeof host>, key: KeyFile) =>
    checkHostKey(parseKnownHosts(text, "/f"), name, blob(key));

  it.each<[string, (lines: { first: string; second: string; rsa: string }) => string, number, string]>([
    ["known, when a line has it", (k) => `vm1 ${k.first}\n`, 22, "known"],
    ["known, when one of several lines has it", (k) => `vm1 ${k.second}\nvm1 ${k.first}\n`, 22, "known"],
    ["known under its port", (k) => `[vm1]:2222 ${k.first}\n`, 2222, "known"],
    ["known under the name without a port, as ssh has it", (k) => `vm1 ${k.first}\n`, 2222, "known"],
    ["unknown, when only the name without a port has another", (k) => `vm1 ${k.second}\n`, 2222, "unknown"],
    ["unknown on 22, when only another port is known", (k) => `[vm1]:2222 ${k.first}\n`, 22, "unknown"],
    ["unknown, when another host has it", (k) => `vm2 ${k.first}\n`, 22, "unknown"],
    ["unknown, when its line excludes the host", (k) => `*,!vm1 ${k.first}\n`, 22, "unknown"],
    ["unknown, when only an authority is trusted", (k) => `@cert-authority * ${k.first}\n`, 22, "unknown"],
    ["changed, when another key is known", (k) => `vm1 ${k.second}\n`, 22, "changed"],
    ["changed, when a key of another type is known", (k) => `vm1 ${k.rsa}\n`, 22, "changed"],
    ["revoked, though a line has it", (k) => `vm1 ${k.first}\n@revoked * ${k.first}\n`, 22, "revoked"],
    ["revoked under the name without a port", (k) => `@revoked vm1 ${k.first}\n`, 2222, "revoked"],
    [
      "known, when only another key is revoked",
      (k) => `@revoked * ${k.second}\nvm1 ${k.first}\n`,
      22,
      "known",
    ],
  ])("%s", (_title, text, port, verdict) => {
    const keys = { first: first.publicKey, second: second.publicKey, rsa: rsa.publicKey };
    expect(check(text(keys), host("vm1", port), first).verdict).toBe(verdict);
  });

  it("reported as changed with the line of the same type", () => {
    const text = `vm1 ${rsa.publicKey}\n# note\nvm1 ${second.publicKey}\n`;
    expect(check(text, host("vm1"), first)).toMatchObject({
      verdict: "changed",
      line: { file: "/f", line: 3 },
    });
  });

  it("looked for under the HostKeyAlias alone", () => {
    const alias = hostKeyName({ hostname: "vm1", port: 2222, hostKeyAlias: "farm" });
    expect(check(`vm1 ${first.publicKey}\n`, alias, first).verdict).toBe("unknown");
    expect(check(`farm ${first.publicKey}\n`, alias, first).verdict).toBe("known");
  });

  it("asked for by the types that are known", () => {
    const lines = parseKnownHosts(`[vm1]:2222 ${rsa.publicKey}\nvm1 ${first.publicKey}\n`, "/f");
    expect([...knownKeyTypes(lines, host("vm1", 2222))]).toEqual(["ssh-rsa"]);
    expect([...knownKeyTypes(lines, host("vm1", 2223))]).toEqual(["ssh-ed25519"]);
    expect([...knownKeyTypes(lines, host("vm2"))]).toEqual([]);
  });
});
