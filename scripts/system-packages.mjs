// Makes sure that the system packages which the tests need are there: installs them as root on a Debian-like system,
// else prints the one command to type and exits with status 3.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { delimiter, isAbsolute, join } from "node:path";

/** What must be there → Debian package that brings it: a program on the PATH, or a file by its whole path. */
const NEEDED = {
  tmux: "tmux",
  curl: "curl",
  ps: "procps",
  busybox: "busybox",
  zsh: "zsh",
  fish: "fish",
  tcsh: "tcsh",
  sshd: "openssh-server",
  ssh: "openssh-client",
  ip: "iproute2",
  protoc: "protobuf-compiler",
  grpc_python_plugin: "protobuf-compiler-grpc",
  "/usr/include/google/protobuf/descriptor.proto": "libprotobuf-dev",
  "/usr/bin/python3": "python3",
};

/** Modules that Debian's Python must find → Debian package that brings it. */
const PYTHON_MODULES = { grpc: "python3-grpcio", "google.protobuf": "python3-protobuf" };

const PATHS = [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin", "/sbin"];
const present = (name) =>
  isAbsolute(name)
    ? existsSync(name)
    : PATHS.some((folder) => folder !== "" && existsSync(join(folder, name)));
const importable = (name) =>
  spawnSync("/usr/bin/python3", ["-c", `import ${name}`], { stdio: "ignore" }).status === 0;
const lacking = (needed, found) =>
  Object.keys(needed)
    .filter((name) => !found(name))
    .map((name) => needed[name]);
const missing = [...lacking(NEEDED, present), ...lacking(PYTHON_MODULES, importable)];

if (missing.length > 0) {
  const command = `apt-get update && apt-get install -y --no-install-recommends ${missing.join(" ")}`;
  if (process.getuid?.() !== 0 || !existsSync("/usr/bin/apt-get")) {
    console.error(`The tests need ${missing.join(", ")}. Install with:\n\n  sudo sh -c '${command}'\n`);
    process.exit(3);
  }
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  for (const words of [["update"], ["install", "-y", "--no-install-recommends", ...missing]]) {
    const { status } = spawnSync("apt-get", words, { stdio: ["ignore", "ignore", "inherit"], env });
    if (status !== 0) {
      console.error(`apt-get ${words[0]} failed; run it by hand:\n\n  ${command}\n`);
      process.exit(3);
    }
  }
}
