import { createHash } from "node:crypto";
import { toBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { file_agtmux_v1_action } from "../../gen/agtmux/v1/action_pb.js";
import { file_agtmux_v1_adapter } from "../../gen/agtmux/v1/adapter_pb.js";
import { file_agtmux_v1_common } from "../../gen/agtmux/v1/common_pb.js";
import { file_agtmux_v1_daemon } from "../../gen/agtmux/v1/daemon_pb.js";
import { file_agtmux_v1_event } from "../../gen/agtmux/v1/event_pb.js";
import { file_agtmux_v1_hook } from "../../gen/agtmux/v1/hook_pb.js";
import { file_agtmux_v1_ingest } from "../../gen/agtmux/v1/ingest_pb.js";
import { file_agtmux_v1_state } from "../../gen/agtmux/v1/state_pb.js";
import { file_agtmux_v1_target } from "../../gen/agtmux/v1/target_pb.js";
import manifest from "../../package.json" with { type: "json" };

export const VERSION: string = manifest.version;

const FILES = [
  file_agtmux_v1_action,
  file_agtmux_v1_adapter,
  file_agtmux_v1_common,
  file_agtmux_v1_daemon,
  file_agtmux_v1_event,
  file_agtmux_v1_hook,
  file_agtmux_v1_ingest,
  file_agtmux_v1_state,
  file_agtmux_v1_target,
];

/** hex sha256 over the descriptors of the contract that this daemon was built from. */
export function contractHash(): string {
  const hash = createHash("sha256");
  for (const file of FILES) hash.update(toBinary(FileDescriptorProtoSchema, file.proto));
  return hash.digest("hex");
}
