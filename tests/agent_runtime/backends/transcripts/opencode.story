  other [message.updated]
  other [message.part.updated]
  other [session.updated]
  status [session.status] {"status":"busy"}
  other [message.updated]
  other [message.updated]
  other [session.updated]
  other [session.diff]
  other [message.updated]
  status [session.status] {"status":"busy"}
  other [message.part.updated]
  other [message.part.updated]
  text.delta [message.part.delta] {"text":"I will write","part_id":"prt_1f9f81da8001u8vdmPIvJMgfXB"}
  other [message.part.updated]
  tool.started [message.part.updated] {"tool":"write","call_id":"call_000003","input":{"filePath":"/workspace/a.txt","content":"hello\n"},"status":"running"}
  text [message.part.updated] {"text":"I will write","part_id":"prt_1f9f81da8001u8vdmPIvJMgfXB"}
  file.changed [file.edited] {"file":"/workspace/a.txt"}
  tool.finished [message.part.updated] {"tool":"write","call_id":"call_000003","input":{"filePath":"/workspace/a.txt","content":"hello\n"},"status":"completed","output":"Wrote file successfully."}
  usage [message.part.updated] {"input_tokens":123,"output_tokens":45,"cost_usd":0.000203}
  other [message.updated]
  other [message.part.updated]
  other [message.updated]
  status [session.status] {"status":"busy"}
  other [message.updated]
  other [session.updated]
  other [session.diff]
  status [session.status] {"status":"busy"}
  other [message.part.updated]
  other [message.part.updated]
  text.delta [message.part.delta] {"text":"Written.","part_id":"prt_1f9f81e95001yjfaJKs3Hjb79u"}
  text [message.part.updated] {"text":"Written.","part_id":"prt_1f9f81e95001yjfaJKs3Hjb79u"}
  other [message.updated]
  usage [message.part.updated] {"input_tokens":123,"output_tokens":45,"cost_usd":0.000203}
  other [message.updated]
  other [message.updated]
  status [session.status] {"status":"busy"}
  status [session.status] {"status":"idle"}
  other [session.idle]
  other [session.updated]
  other [session.diff]
completed 246+90 $0.000406
  other [message.updated]
  other [message.part.updated]
  other [session.updated]
  status [session.status] {"status":"busy"}
  other [message.updated]
  other [message.updated]
  other [session.updated]
  other [session.diff]
  other [message.updated]
  status [session.status] {"status":"busy"}
  other [message.part.updated]
  other [message.part.updated]
  tool.started [message.part.updated] {"tool":"bash","call_id":"call_000006","input":{"command":"echo hi > b.txt; cat b.txt","description":"Echo"},"status":"running"}
  permission.asked [permission.asked] {"prompt_id":"per_1f9f81fc4001HA5gyjriJSkPou","tool":"bash","input":{"command":"echo hi > b.txt; cat b.txt"},"options":["once","always","reject"]}
  permission.answered [permission.replied] {"prompt_id":"per_1f9f81fc4001HA5gyjriJSkPou","decision":"once"}
  other [message.part.updated]
  other [message.part.updated]
  tool.finished [message.part.updated] {"tool":"bash","call_id":"call_000006","input":{"command":"echo hi > b.txt; cat b.txt","description":"Echo"},"status":"completed","output":"hi\n"}
  usage [message.part.updated] {"input_tokens":123,"output_tokens":45,"cost_usd":0.000203}
  other [message.updated]
  other [message.part.updated]
  other [message.updated]
  status [session.status] {"status":"busy"}
  other [message.updated]
  other [session.updated]
  other [session.diff]
  status [session.status] {"status":"busy"}
  other [message.part.updated]
  other [message.part.updated]
  text.delta [message.part.delta] {"text":"Ran.","part_id":"prt_1f9f8210d001DG46KNxsX81cPV"}
  text [message.part.updated] {"text":"Ran.","part_id":"prt_1f9f8210d001DG46KNxsX81cPV"}
  other [message.updated]
  usage [message.part.updated] {"input_tokens":123,"output_tokens":45,"cost_usd":0.000203}
  other [message.updated]
  other [message.updated]
  status [session.status] {"status":"busy"}
  status [session.status] {"status":"idle"}
  other [session.idle]
  other [session.updated]
  other [session.diff]
completed 246+90 $0.000406
  other [message.updated]
  other [message.part.updated]
  other [session.updated]
  status [session.status] {"status":"busy"}
  other [message.updated]
  other [message.updated]
  other [session.updated]
  other [session.diff]
  other [message.updated]
  status [session.status] {"status":"busy"}
  other [message.part.updated]
  other [message.part.updated]
  permission.asked [permission.asked] {"prompt_id":"per_1f9f821ef001IiY5rf0aIRQNgd","tool":"bash","input":{"command":"rm -rf zzz"},"options":["once","always","reject"]}
  tool.started [message.part.updated] {"tool":"bash","call_id":"call_000009","input":{"command":"rm -rf zzz","description":"rm"},"status":"running"}
  permission.answered [permission.replied] {"prompt_id":"per_1f9f821ef001IiY5rf0aIRQNgd","decision":"reject"}
  tool.finished [message.part.updated] {"tool":"bash","call_id":"call_000009","input":{"command":"rm -rf zzz","description":"rm"},"status":"error","error":"The user rejected permission to use this specific tool call with the following feedback: do not do that"}
  usage [message.part.updated] {"input_tokens":123,"output_tokens":45,"cost_usd":0.000203}
  other [message.updated]
  other [message.updated]
  status [session.status] {"status":"busy"}
  other [message.updated]
  other [session.updated]
  other [session.diff]
  status [session.status] {"status":"busy"}
  other [message.part.updated]
  other [message.part.updated]
  text.delta [message.part.delta] {"text":"Ran.","part_id":"prt_1f9f82291001Kt9guJR1P67fOg"}
  text [message.part.updated] {"text":"Ran.","part_id":"prt_1f9f82291001Kt9guJR1P67fOg"}
  other [message.updated]
  usage [message.part.updated] {"input_tokens":123,"output_tokens":45,"cost_usd":0.000203}
  other [message.updated]
  other [message.updated]
  status [session.status] {"status":"busy"}
  status [session.status] {"status":"idle"}
  other [session.idle]
  other [session.updated]
  other [session.diff]
completed 246+90 $0.000406
  other [message.updated]
  other [message.part.updated]
  other [session.updated]
  status [session.status] {"status":"busy"}
  other [message.updated]
  other [message.updated]
  other [session.updated]
  other [session.diff]
  other [message.updated]
  status [session.status] {"status":"busy"}
  other [message.part.updated]
  other [message.part.updated]
  text.delta [message.part.delta] {"text":"chunk 0 ","part_id":"prt_1f9f82361001Ok3raveADk6CRe"}
  text.delta [message.part.delta] {"text":"chunk 1 ","part_id":"prt_1f9f82361001Ok3raveADk6CRe"}
  text.delta [message.part.delta] {"text":"chunk 2 ","part_id":"prt_1f9f82361001Ok3raveADk6CRe"}
  text.delta [message.part.delta] {"text":"chunk 3 ","part_id":"prt_1f9f82361001Ok3raveADk6CRe"}
  text.delta [message.part.delta] {"text":"chunk 4 ","part_id":"prt_1f9f82361001Ok3raveADk6CRe"}
  text.delta [message.part.delta] {"text":"chunk 5 ","part_id":"prt_1f9f82361001Ok3raveADk6CRe"}
  other [session.error]
  status [session.status] {"status":"idle"}
  other [session.idle]
  text [message.part.updated] {"text":"chunk 0 chunk 1 chunk 2 chunk 3 chunk 4 chunk 5 ","part_id":"prt_1f9f82361001Ok3raveADk6CRe"}
  other [message.updated]
  status [session.status] {"status":"idle"}
  other [session.idle]
interrupted
  other [message.updated]
  other [message.part.updated]
  other [session.updated]
  status [session.status] {"status":"busy"}
  other [message.updated]
  other [session.updated]
  other [session.diff]
  other [message.updated]
  status [session.status] {"status":"busy"}
  other [message.part.updated]
  other [message.part.updated]
  other [session.created] {"subagent":"ses_e0604b96affeeljPn70r5Pv5a7"}
  tool.started [message.part.updated] {"tool":"task","call_id":"call_000012","input":{"description":"sub job","prompt":"Do sub. [{\"text\":\"sub result\"}]","subagent_type":"general"},"status":"running"}
  other [session.updated] {"subagent":"ses_e0604b96affeeljPn70r5Pv5a7"}
  other [message.updated] {"subagent":"ses_e0604b96affeeljPn70r5Pv5a7"}
  other [message.part.updated] {"subagent":"ses_e0604b96affeeljPn70r5Pv5a7"}
  other [session.updated] {"subagent":"ses_e0604b96affeeljPn70r5Pv5a7"}
  other [message.part.updated]
  status [session.status] {"status":"busy","subagent":"ses_e0604b96affeeljPn70r5Pv5a7"}
  other [message.updated] {"subagent":"ses_e0604b96affeeljPn70r5Pv5a7"}
  other [session.updated] {"subagent":"ses_e0604b96affeeljPn70r5Pv5a7"}
  other [session.diff] {"subagent":"ses_e0604b96affeeljPn70r5Pv5a7"}
  other [message.updated] {"subagent":"ses_e0604b96affeeljPn70r5Pv5a7"}
  status [session.status] {"status":"busy","subagent":"ses_e0604b96affeeljPn70r5Pv5a7"}
  other [message.part.updated] {"subagent":"ses_e0604b96affeeljPn70r5Pv5a7"}
  other [message.part.updated] {"subagent":"ses_e0604b96affeeljPn70r5Pv5a7"}
  text.delta [message.part.delta] {"text":"sub result","part_id":"prt_1f9fb46d5001lajke7xMwTh9f1","subagent":"ses_e0604b96affeeljPn70r5Pv5a7"}
  text [message.part.updated] {"text":"sub result","part_id":"prt_1f9fb46d5001lajke7xMwTh9f1","subagent":"ses_e0604b96affeeljPn70r5Pv5a7"}
  usage [message.part.updated] {"input_tokens":123,"output_tokens":45,"cost_usd":0.000203,"subagent":"ses_e0604b96affeeljPn70r5Pv5a7"}
  other [message.updated] {"subagent":"ses_e0604b96affeeljPn70r5Pv5a7"}
  other [message.updated] {"subagent":"ses_e0604b96affeeljPn70r5Pv5a7"}
  status [session.status] {"status":"busy","subagent":"ses_e0604b96affeeljPn70r5Pv5a7"}
  status [session.status] {"status":"idle","subagent":"ses_e0604b96affeeljPn70r5Pv5a7"}
  other [session.idle] {"subagent":"ses_e0604b96affeeljPn70r5Pv5a7"}
  tool.finished [message.part.updated] {"tool":"task","call_id":"call_000012","input":{"description":"sub job","prompt":"Do sub. [{\"text\":\"sub result\"}]","subagent_type":"general"},"status":"completed","output":"<task id=\"ses_e0604b96affeeljPn70r5Pv5a7\" state=\"completed\">\n<task_result>\nsub result\n</task_result>\n</task>"}
  other [session.updated] {"subagent":"ses_e0604b96affeeljPn70r5Pv5a7"}
  other [session.diff] {"subagent":"ses_e0604b96affeeljPn70r5Pv5a7"}
  usage [message.part.updated] {"input_tokens":123,"output_tokens":45,"cost_usd":0.000203}
  other [message.updated]
  other [message.updated]
  status [session.status] {"status":"busy"}
  other [message.updated]
  other [session.updated]
  other [session.diff]
  status [session.status] {"status":"busy"}
  other [message.updated] {"subagent":"ses_e0604b96affeeljPn70r5Pv5a7"}
  other [message.part.updated]
  other [message.part.updated]
  text.delta [message.part.delta] {"text":"sub done","part_id":"prt_1f9fb476f001Du9kP7ueFgMqyU"}
  text [message.part.updated] {"text":"sub done","part_id":"prt_1f9fb476f001Du9kP7ueFgMqyU"}
  usage [message.part.updated] {"input_tokens":123,"output_tokens":45,"cost_usd":0.000203}
  other [message.updated]
  other [message.updated]
  status [session.status] {"status":"busy"}
  status [session.status] {"status":"idle"}
  other [session.idle]
  other [session.updated]
  other [session.diff]
  other [message.updated]
  other [message.updated]
completed 369+135 $0.000609
