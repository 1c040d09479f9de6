/**
 * Every command but `list` in one module: so the bundle has two parts, that which every `agtmux list` loads, whose
 * start-up time is budgeted, and the rest.
 */
export { showConfig } from "./config.js";
export { restartCommand, startCommand, statusCommand, stopCommand } from "./daemon.js";
export { events } from "./events.js";
export { explain } from "./explain.js";
export { hookStatus, installHooks, uninstallHooks } from "./hooks.js";
export { addTarget, connectTarget, listTargets, removeTarget } from "./target.js";
export { watch } from "./watch.js";
