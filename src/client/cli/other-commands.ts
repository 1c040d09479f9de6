/**
 * Every command but `list` in one module: so the bundle has two parts, that which every `agtmux list` loads, whose
 * start-up time is budgeted, and the rest.
 */
export { actions } from "./actions.js";
export { approve, deny } from "./answer.js";
export { attach } from "./attach.js";
export { showConfig } from "./config.js";
export { restartCommand, startCommand, statusCommand, stopCommand } from "./daemon.js";
export { events } from "./events.js";
export { explain } from "./explain.js";
export { hookStatus, installHooks, uninstallHooks } from "./hooks.js";
export { interrupt } from "./interrupt.js";
export { kill } from "./kill.js";
export { send } from "./send.js";
export { addTarget, connectTarget, listTargets, removeTarget } from "./target.js";
export { runInTerminal } from "./terminal-child.js";
export { viewOutput } from "./view-output.js";
export { watch } from "./watch.js";
