/**
 * The messages of the Remote Execution API v2 that gg uses, with the field numbers of the public definitions
 * (bazelbuild/remote-apis, googleapis). Fields that gg neither writes nor reads are left out.
 */
export const SCHEMA = `
syntax = "proto3";
package gg;
message Any { string type_url = 1; bytes value = 2; }
message Duration { int64 seconds = 1; int32 nanos = 2; }
message Timestamp { int64 seconds = 1; int32 nanos = 2; }
message Status { int32 code = 1; string message = 2; repeated Any details = 3; }
message RetryInfo { Duration retry_delay = 1; }
message PreconditionFailure { repeated Violation violations = 1; }
message Violation { string type = 1; string subject = 2; string description = 3; }
message Operation { string name = 1; Any metadata = 2; bool done = 3; Status error = 4; Any response = 5; }
message SemVer { int32 major = 1; int32 minor = 2; int32 patch = 3; string prerelease = 4; }

message Digest { string hash = 1; int64 size_bytes = 2; }
message Property { string name = 1; string value = 2; }
message Platform { repeated Property properties = 1; }
message Action {
  Digest command_digest = 1; Digest input_root_digest = 2; Duration timeout = 6; bool do_not_cache = 7; bytes salt = 9;
  Platform platform = 10;
}
message Command {
  repeated string arguments = 1; repeated Property environment_variables = 2; repeated string output_files = 3;
  repeated string output_directories = 4; Platform platform = 5; string working_directory = 6;
  repeated string output_paths = 7;
}
message Directory { repeated FileNode files = 1; repeated DirectoryNode directories = 2; repeated SymlinkNode symlinks = 3; }
message FileNode { string name = 1; Digest digest = 2; bool is_executable = 4; }
message DirectoryNode { string name = 1; Digest digest = 2; }
message SymlinkNode { string name = 1; string target = 2; }
message Tree { Directory root = 1; repeated Directory children = 2; }

message ExecutedActionMetadata {
  string worker = 1; Timestamp queued_timestamp = 2; Timestamp worker_start_timestamp = 3;
  Timestamp worker_completed_timestamp = 4; Timestamp input_fetch_start_timestamp = 5;
  Timestamp input_fetch_completed_timestamp = 6; Timestamp execution_start_timestamp = 7;
  Timestamp execution_completed_timestamp = 8; Timestamp output_upload_start_timestamp = 9;
  Timestamp output_upload_completed_timestamp = 10;
}
message OutputFile { string path = 1; Digest digest = 2; bool is_executable = 4; bytes contents = 5; }
message OutputDirectory { string path = 1; Digest tree_digest = 3; }
message OutputSymlink { string path = 1; string target = 2; }
message ActionResult {
  repeated OutputFile output_files = 2; repeated OutputDirectory output_directories = 3; int32 exit_code = 4;
  bytes stdout_raw = 5; Digest stdout_digest = 6; bytes stderr_raw = 7; Digest stderr_digest = 8;
  ExecutedActionMetadata execution_metadata = 9; repeated OutputSymlink output_file_symlinks = 10;
  repeated OutputSymlink output_directory_symlinks = 11; repeated OutputSymlink output_symlinks = 12;
}
message Priority { int32 priority = 1; }
message ExecuteRequest {
  string instance_name = 1; bool skip_cache_lookup = 3; Digest action_digest = 6; Priority execution_policy = 7;
  bool inline_stdout = 10; bool inline_stderr = 11; repeated string inline_output_files = 12;
}
message ExecuteResponse { ActionResult result = 1; bool cached_result = 2; Status status = 3; string message = 5; }
message ExecuteOperationMetadata { int32 stage = 1; Digest action_digest = 2; }
message WaitExecutionRequest { string name = 1; }
message GetActionResultRequest {
  string instance_name = 1; Digest action_digest = 2; bool inline_stdout = 3; bool inline_stderr = 4;
  repeated string inline_output_files = 5;
}
message UpdateActionResultRequest { string instance_name = 1; Digest action_digest = 2; ActionResult action_result = 3; }
message FindMissingBlobsRequest { string instance_name = 1; repeated Digest blob_digests = 2; }
message FindMissingBlobsResponse { repeated Digest missing_blob_digests = 2; }
message UpdateRequest { Digest digest = 1; bytes data = 2; }
message UpdateResponse { Digest digest = 1; Status status = 2; }
message BatchUpdateBlobsRequest { string instance_name = 1; repeated UpdateRequest requests = 2; }
message BatchUpdateBlobsResponse { repeated UpdateResponse responses = 1; }
message BatchReadBlobsRequest { string instance_name = 1; repeated Digest digests = 2; }
message ReadBlob { Digest digest = 1; bytes data = 2; Status status = 3; }
message BatchReadBlobsResponse { repeated ReadBlob responses = 1; }
message GetTreeRequest { string instance_name = 1; Digest root_digest = 2; int32 page_size = 3; string page_token = 4; }
message GetTreeResponse { repeated Directory directories = 1; string next_page_token = 2; }

message GetCapabilitiesRequest { string instance_name = 1; }
message CacheUpdate { bool update_enabled = 1; }
message CacheCapabilities {
  repeated int32 digest_functions = 1; CacheUpdate action_cache_update_capabilities = 2;
  int64 max_batch_total_size_bytes = 4; int32 symlink_absolute_path_strategy = 5; repeated int32 supported_compressors = 6;
}
message ExecutionCapabilities { int32 digest_function = 1; bool exec_enabled = 2; repeated int32 digest_functions = 5; }
message ServerCapabilities {
  CacheCapabilities cache_capabilities = 1; ExecutionCapabilities execution_capabilities = 2;
  SemVer deprecated_api_version = 3; SemVer low_api_version = 4; SemVer high_api_version = 5;
}
message ToolDetails { string tool_name = 1; string tool_version = 2; }
message RequestMetadata {
  ToolDetails tool_details = 1; string action_id = 2; string tool_invocation_id = 3; string correlated_invocations_id = 4;
}

message StatusRequest {}
message WorkerStatus {
  string name = 1; int32 jobs = 2; int32 running = 3; int32 queued = 4; int64 hits = 5; int64 misses = 6; int64 blobs = 7;
  int64 bytes = 8;
}

message ReadRequest { string resource_name = 1; int64 read_offset = 2; int64 read_limit = 3; }
message ReadResponse { bytes data = 10; }
message WriteRequest { string resource_name = 1; int64 write_offset = 2; bool finish_write = 3; bytes data = 10; }
message WriteResponse { int64 committed_size = 1; }
message QueryWriteStatusRequest { string resource_name = 1; }
message QueryWriteStatusResponse { int64 committed_size = 1; bool complete = 2; }
`;
