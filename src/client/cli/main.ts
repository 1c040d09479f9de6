/**
 * agtmux: the program's entry. It imports nothing, so that a Node that is too old gets one clear line instead of
 * a stack trace, and only then loads the rest.
 */
export {};

const LEAST = [22, 12] as const;

function isTooOld(version: string): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  return major < LEAST[0] || (major === LEAST[0] && minor < LEAST[1]);
}

if (isTooOld(process.versions.node)) {
  process.stderr.write(
    `agtmux: needs Node ${LEAST.join(".")} or newer, this is ${process.versions.node}: install a newer Node, or run it with the checkout's own (npx agtmux)\n`,
  );
  process.exitCode = 3;
} else {
  process.getBuiltinModule("node:module").enableCompileCache();
  const { start } = await import("./start.js");
  await start(new URL("./agtmuxd.mjs", import.meta.url).pathname);
}
