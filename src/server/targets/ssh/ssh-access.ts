import { UserSshOpener } from "./opener.js";
import { sshFiles, watchSshFiles } from "./ssh-files-watch.js";
import type { SshTargetParts } from "./ssh-target.js";

/** The user's own ssh: settings, keys and agent. AGTMUX_SSH_CONFIG names other settings than ~/.ssh/config. */
export function sshAccess(env: NodeJS.ProcessEnv): Pick<SshTargetParts, "opener" | "watchFiles"> & {
  /** Options with which the ssh program takes the same settings. */
  readonly options: readonly string[];
} {
  const files = sshFiles(env);
  const configFile = env["AGTMUX_SSH_CONFIG"] || undefined;
  return {
    options: configFile === undefined ? [] : ["-F", configFile],
    opener: new UserSshOpener({ env, configFile }),
    watchFiles: (onChange) => watchSshFiles(files, onChange),
  };
}
