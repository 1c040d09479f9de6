// Makes sure that the system packages which the tests need are there: installs them as root on a Debian-like system,
// else prints the one command to type and exits with status 3.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";

/** Program that must be found → Debian package that brings it. */
const NEEDED = {
  tmux: "tmux",
  curl: "curl",
  ps: "procps",
  busybox: "busybox",
  sshd: "openssh-server",
  ssh: "openssh-client",
};

const PATHS = [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin", "/sbin"];
const missing = Object.entries(NEEDED)
  .filter(([program]) => !PATHS.some((folder) => folder !== "" && existsSync(join(folder, program))))
  .map(([, packageName]) => packageName);

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
