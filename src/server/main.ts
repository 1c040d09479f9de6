// agtmuxd: options, signals, exit status. Nothing here may need a newer Node than the one it refuses.

const OLDEST = [22, 12] as const;
const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);

if (major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1])) {
  process.stderr.write(
    `agtmuxd: needs Node ${OLDEST.join(".")} or newer, this is ${process.versions.node}\n`,
  );
  process.exitCode = 3;
} else {
  const [command = "", ...words] = process.argv.slice(2);
  if (command === "export" || command === "replay") {
    const { runLogCommand } = await import("./replay/command.js");
    process.exitCode = runLogCommand(command, words, process.env);
  } else {
    const { runDaemon } = await import("./run.js");
    process.exitCode = await runDaemon(process.argv.slice(2), process.env);
  }
}
