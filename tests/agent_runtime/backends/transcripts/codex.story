  status [warning] {"status":"warning","message":"Model metadata for `stub-model` not found. Defaulting to fallback metadata; this can degrade performance and cause issues."}
  status [thread/status/changed] {"status":"active"}
  other [turn/started]
  other [item/started]
  other [item/completed]
  other [item/started]
  other [item/reasoning/summaryPartAdded]
  reasoning.delta [item/reasoning/summaryTextDelta] {"text":"hmm","part_id":"rs_000002"}
  reasoning [item/completed] {"text":"hmm","part_id":"rs_000002"}
  other [item/started]
  text.delta [item/agentMessage/delta] {"text":"Hello stream","part_id":"msg_000003"}
  text.delta [item/agentMessage/delta] {"text":"ed text from","part_id":"msg_000003"}
  text.delta [item/agentMessage/delta] {"text":" the stub","part_id":"msg_000003"}
  text [item/completed] {"text":"Hello streamed text from the stub","part_id":"msg_000003"}
  usage [thread/tokenUsage/updated] {"input_tokens":123,"output_tokens":45}
  status [thread/status/changed] {"status":"idle"}
  other [turn/completed]
completed 123+45
  status [warning] {"status":"warning","message":"Model metadata for `stub-model` not found. Defaulting to fallback metadata; this can degrade performance and cause issues."}
  status [thread/status/changed] {"status":"active"}
  other [turn/started]
  other [item/started]
  other [item/completed]
  status [thread/status/changed] {"status":"active"}
  tool.started [item/started] {"tool":"commandExecution","call_id":"call_000005","input":{"command":"/bin/bash -lc 'echo hi > b.txt && cat b.txt'","cwd":"/workspace"},"status":"running"}
  permission.asked [item/commandExecution/requestApproval] {"prompt_id":"01a1fa02-4849-7001-a3ac-aa1631e75063-0","tool":"commandExecution","input":{"command":"/bin/bash -lc 'echo hi > b.txt && cat b.txt'","cwd":"/workspace"},"options":["once","always","reject"]}
  other [serverRequest/resolved]
  status [thread/status/changed] {"status":"active"}
  tool.finished [item/completed] {"tool":"commandExecution","call_id":"call_000005","input":{"command":"/bin/bash -lc 'echo hi > b.txt && cat b.txt'","cwd":"/workspace"},"output":"hi\n","status":"completed"}
  usage [thread/tokenUsage/updated] {"input_tokens":123,"output_tokens":45}
  other [item/started]
  text.delta [item/agentMessage/delta] {"text":"done","part_id":"msg_000008"}
  text [item/completed] {"text":"done","part_id":"msg_000008"}
  usage [thread/tokenUsage/updated] {"input_tokens":123,"output_tokens":45}
  status [thread/status/changed] {"status":"idle"}
  other [turn/completed]
completed 246+90
  status [warning] {"status":"warning","message":"Model metadata for `stub-model` not found. Defaulting to fallback metadata; this can degrade performance and cause issues."}
  status [thread/status/changed] {"status":"active"}
  other [turn/started]
  other [item/started]
  other [item/completed]
  tool.started [item/started] {"tool":"fileChange","call_id":"call_000020","input":{"changes":[{"path":"/workspace/p2.txt","kind":{"type":"add"},"diff":"patched\n"}]},"status":"running"}
  status [thread/status/changed] {"status":"active"}
  permission.asked [item/fileChange/requestApproval] {"prompt_id":"01a1fa02-5cd7-7903-9002-141e4ac19a08-2","tool":"fileChange","input":{"changes":[{"path":"/workspace/p2.txt","kind":{"type":"add"},"diff":"patched\n"}]},"options":["once","always","reject"]}
  other [serverRequest/resolved]
  status [thread/status/changed] {"status":"active"}
  file.changed [item/completed] {"file":"/workspace/p2.txt"}
  tool.finished [item/completed] {"tool":"fileChange","call_id":"call_000020","input":{"changes":[{"path":"/workspace/p2.txt","kind":{"type":"add"},"diff":"patched\n"}]},"output":"","status":"completed"}
  other [turn/diff/updated]
  usage [thread/tokenUsage/updated] {"input_tokens":123,"output_tokens":45}
  other [turn/diff/updated]
  other [item/started]
  text.delta [item/agentMessage/delta] {"text":"done","part_id":"msg_000023"}
  text [item/completed] {"text":"done","part_id":"msg_000023"}
  usage [thread/tokenUsage/updated] {"input_tokens":123,"output_tokens":45}
  other [turn/diff/updated]
  status [thread/status/changed] {"status":"idle"}
  other [turn/completed]
completed 246+90
  status [warning] {"status":"warning","message":"Model metadata for `stub-model` not found. Defaulting to fallback metadata; this can degrade performance and cause issues."}
  status [thread/status/changed] {"status":"active"}
  other [turn/started]
  other [item/started]
  other [item/completed]
  other [item/started]
  text.delta [item/agentMessage/delta] {"text":"chunk 0 ","part_id":"msg_000025"}
  text.delta [item/agentMessage/delta] {"text":"chunk 1 ","part_id":"msg_000025"}
  text.delta [item/agentMessage/delta] {"text":"chunk 2 ","part_id":"msg_000025"}
  text.delta [item/agentMessage/delta] {"text":"chunk 3 ","part_id":"msg_000025"}
  other [thread/tokenUsage/updated]
  status [thread/status/changed] {"status":"idle"}
  other [turn/completed]
interrupted
  status [warning] {"status":"warning","message":"Model metadata for `stub-model` not found. Defaulting to fallback metadata; this can degrade performance and cause issues."}
  status [thread/status/changed] {"status":"active"}
  other [turn/started]
  other [item/started]
  other [item/completed]
  other [item/started]
  text.delta [item/agentMessage/delta] {"text":"chunk 0 ","part_id":"msg_000027"}
  text.delta [item/agentMessage/delta] {"text":"chunk 1 ","part_id":"msg_000027"}
  text.delta [item/agentMessage/delta] {"text":"chunk 2 ","part_id":"msg_000027"}
  text.delta [item/agentMessage/delta] {"text":"chunk 3 ","part_id":"msg_000027"}
  other [thread/tokenUsage/updated]
  other [item/started]
  other [item/completed]
  other [item/started]
  text.delta [item/agentMessage/delta] {"text":"steered","part_id":"msg_000029"}
  text [item/completed] {"text":"steered","part_id":"msg_000029"}
  usage [thread/tokenUsage/updated] {"input_tokens":123,"output_tokens":45}
  status [thread/status/changed] {"status":"idle"}
  other [turn/completed]
completed 123+45
  status [warning] {"status":"warning","message":"Model metadata for `stub-model` not found. Defaulting to fallback metadata; this can degrade performance and cause issues."}
  status [thread/status/changed] {"status":"active"}
  other [turn/started]
  other [item/started]
  other [item/completed]
  usage [thread/tokenUsage/updated] {"input_tokens":123,"output_tokens":45}
  other [item/started]
  text.delta [item/agentMessage/delta] {"text":"ok","part_id":"msg_000038"}
  text [item/completed] {"text":"ok","part_id":"msg_000038"}
  usage [thread/tokenUsage/updated] {"input_tokens":123,"output_tokens":45}
  status [thread/status/changed] {"status":"idle"}
  other [turn/completed]
completed 246+90
  status [warning] {"status":"warning","message":"Model metadata for `stub-model` not found. Defaulting to fallback metadata; this can degrade performance and cause issues."}
  status [thread/status/changed] {"status":"active"}
  other [turn/started]
  other [item/started]
  other [item/completed]
  status [error] {"status":"retry","message":"Reconnecting... 1/1"}
  status [thread/status/changed] {"status":"systemError"}
  status [error] {"status":"error","message":"We’re currently experiencing high demand, which may cause temporary errors."}
  other [turn/completed]
failed We’re currently experiencing high demand, which may cause temporary errors.
