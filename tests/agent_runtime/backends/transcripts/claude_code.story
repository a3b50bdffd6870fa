  other [system]
  status [system] {"status":"requesting"}
  other [stream_event]
  other [stream_event]
  other [system]
  reasoning.delta [stream_event] {"text":"hmm","part_id":"msg_000001/0"}
  other [system]
  other [stream_event]
  reasoning [assistant] {"text":"hmm","part_id":"msg_000001/0"}
  other [stream_event]
  other [stream_event]
  text.delta [stream_event] {"text":"Hello stream","part_id":"msg_000001/1"}
  text.delta [stream_event] {"text":"ed","part_id":"msg_000001/1"}
  text [assistant] {"text":"Hello streamed","part_id":"msg_000001/1"}
  other [stream_event]
  other [stream_event]
  other [stream_event]
  usage [result] {"input_tokens":133,"output_tokens":45,"cost_usd":0.001047}
completed 133+45 $0.001047
  other [system]
  status [system] {"status":"requesting"}
  other [stream_event]
  other [stream_event]
  text.delta [stream_event] {"text":"will write","part_id":"msg_000002/0"}
  text [assistant] {"text":"will write","part_id":"msg_000002/0"}
  other [stream_event]
  other [stream_event]
  other [stream_event]
  other [stream_event]
  other [stream_event]
  other [stream_event]
  tool.started [assistant] {"tool":"Write","call_id":"toolu_000003","input":{"file_path":"/workspace/a.txt","content":"hello\n"},"status":"running"}
  other [stream_event]
  other [stream_event]
  other [stream_event]
  permission.asked [control_request] {"prompt_id":"4ae558ff-cb6d-4bf4-a8c5-1c23f6446732","tool":"Write","input":{"file_path":"/workspace/a.txt","content":"hello\n"},"options":["once","always","reject"]}
  file.changed [user] {"file":"/workspace/a.txt"}
  tool.finished [user] {"tool":"Write","call_id":"toolu_000003","input":{"file_path":"/workspace/a.txt","content":"hello\n"},"output":"File created successfully at: /workspace/a.txt (file state is current in your context — no need to Read it back)","status":"completed"}
  status [system] {"status":"requesting"}
  other [stream_event]
  other [stream_event]
  text.delta [stream_event] {"text":"done","part_id":"msg_000004/0"}
  text [assistant] {"text":"done","part_id":"msg_000004/0"}
  other [stream_event]
  other [stream_event]
  other [stream_event]
  usage [result] {"input_tokens":266,"output_tokens":90,"cost_usd":0.002094}
completed 266+90 $0.002094
  other [system]
  status [system] {"status":"requesting"}
  other [stream_event]
  other [stream_event]
  other [stream_event]
  other [stream_event]
  other [stream_event]
  other [stream_event]
  other [stream_event]
  other [stream_event]
  other [stream_event]
  other [stream_event]
  other [stream_event]
  tool.started [assistant] {"tool":"AskUserQuestion","call_id":"toolu_000015","input":{"questions":[{"question":"Which?","header":"Pick","multiSelect":false,"options":[{"label":"A","description":"a"},{"label":"B","description":"b"}]}]},"status":"running"}
  question.asked [control_request] {"prompt_id":"831c98fc-7370-4b91-b5cd-c29c616076b7","questions":[{"question":"Which?","header":"Pick","options":[{"label":"A","description":"a"},{"label":"B","description":"b"}],"multiple":false}]}
  other [stream_event]
  other [stream_event]
  other [stream_event]
  tool.finished [user] {"tool":"AskUserQuestion","call_id":"toolu_000015","input":{"questions":[{"question":"Which?","header":"Pick","multiSelect":false,"options":[{"label":"A","description":"a"},{"label":"B","description":"b"}]}]},"output":"Your questions have been answered: \"Which?\"=\"B\". You can now continue with these answers in mind.","status":"completed"}
  status [system] {"status":"requesting"}
  other [stream_event]
  other [stream_event]
  text.delta [stream_event] {"text":"thanks","part_id":"msg_000016/0"}
  text [assistant] {"text":"thanks","part_id":"msg_000016/0"}
  other [stream_event]
  other [stream_event]
  other [stream_event]
  usage [result] {"input_tokens":266,"output_tokens":90,"cost_usd":0.002094}
completed 266+90 $0.002094
  other [system]
  status [system] {"status":"requesting"}
  other [stream_event]
  other [stream_event]
  text.delta [stream_event] {"text":"chunk 0 ","part_id":"msg_000017/0"}
  text.delta [stream_event] {"text":"chunk 1 ","part_id":"msg_000017/0"}
  text.delta [stream_event] {"text":"chunk 2 ","part_id":"msg_000017/0"}
  text.delta [stream_event] {"text":"chunk 3 ","part_id":"msg_000017/0"}
  other [control_response]
  text [assistant] {"text":"chunk 0 chunk 1 chunk 2 chunk 3 ","part_id":"msg_000017/0"}
  other [user]
  other [stream_event]
  other [stream_event]
  other [stream_event]
  usage [result] {"input_tokens":133,"output_tokens":8,"cost_usd":0.000492}
interrupted 133+8 $0.000492
  other [system]
  status [system] {"status":"requesting"}
  status [assistant] {"status":"error","message":"API Error: 400 stub error"}
  other [result]
failed API Error: 400 stub error
  other [system]
  status [system] {"status":"requesting"}
  other [stream_event]
  other [stream_event]
  other [stream_event]
  other [stream_event]
  other [stream_event]
  other [stream_event]
  other [stream_event]
  other [stream_event]
  tool.started [assistant] {"tool":"Task","call_id":"toolu_000027","input":{"description":"sub","prompt":"do [{\"text\": \"sub result\"}]","subagent_type":"general-purpose"},"status":"running"}
  other [stream_event]
  other [system]
  other [system]
  other [stream_event]
  tool.finished [user] {"tool":"Task","call_id":"toolu_000027","input":{"description":"sub","prompt":"do [{\"text\": \"sub result\"}]","subagent_type":"general-purpose"},"output":"Async agent launched successfully. (This tool result is internal metadata — never quote or paste any part of it, including the agentId below, into a user-facing reply.)\nagentId: a575601f8c31f1304 (internal ID - do not mention to user. Use SendMessage with to: 'a575601f8c31f1304', summary: '<5-10 word recap>' to continue this agent.)\nThe agent is working in the background. You will be notified automatically when it completes. You know nothing about its results until that notification arrives — do not report, assume, or predict them; continue other work or respond to the user in the meantime.\nDo not duplicate this agent's work — avoid working with the same files or topics it is using.\noutput_file: /tmp/claude-0/-workspace/26823a23-fabf-4216-ba09-72cca1831ea2/tasks/a575601f8c31f1304.output\nDo NOT Read or tail this file via the shell tool — it is the full subagent JSONL transcript and reading it will overflow your context. If the user asks for progress, say the agent is still running; you'll get a completion notification.","status":"completed"}
  other [stream_event]
  status [system] {"status":"requesting"}
  text [assistant] {"text":"sub result","part_id":"msg_000028/0","subagent":"toolu_000027"}
  other [system]
  other [system]
  other [system]
  other [stream_event]
  other [stream_event]
  text.delta [stream_event] {"text":"done","part_id":"msg_000029/0"}
  text [assistant] {"text":"done","part_id":"msg_000029/0"}
  other [stream_event]
  other [stream_event]
  other [stream_event]
  usage [result] {"input_tokens":399,"output_tokens":135,"cost_usd":0.0010470000000000002}
completed 399+135 $0.001047
