import { UserSshOpener } from "./opener.js";
import { sshFiles, watchSshFiles } from "./ssh-files-watch.js";
import type { SshTargetParts } from "./ssh-target.js";

/** The user's own ssh: settings, keys and agent. AGTMUX_SSH_CONFIG names other settings than ~/.ssh/config. */
export function sshAccess(env: NodeJS.ProcessEnv): Pick<SshTargetParts, "opener" | "watchFiles"> {
  const files = sshFiles(env);
  return {
    opener: new UserSshOpener({ env, configFile: env["AGTMUX_SSH_CONFIG"] || undefined }),
    watchFiles: (onChange) => watchSshFiles(files, onChange),
  };
}
