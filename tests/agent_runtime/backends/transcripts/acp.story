  reasoning.delta [session/update] {"text":"hmm","part_id":"prt_1fa04f4f0001BuNzc02orCBrRD"}
  text.delta [session/update] {"text":"Hello stream","part_id":"msg_1fa04f249001PfDEDFVLTMHx2q"}
  text.delta [session/update] {"text":"ed from the ","part_id":"msg_1fa04f249001PfDEDFVLTMHx2q"}
  text.delta [session/update] {"text":"stub model","part_id":"msg_1fa04f249001PfDEDFVLTMHx2q"}
  other [session/update]
completed
  text.delta [session/update] {"text":"w","part_id":"msg_1fa04f6aa0010TdAHU1LgelxW6"}
  other [session/update]
  tool.started [session/update] {"tool":"edit","call_id":"call_000004","input":{"filePath":"/workspace/a.txt","content":"A\n"},"status":"running"}
  permission.asked [session/request_permission] {"prompt_id":"process-902","tool":"edit","input":{"title":"/workspace/a.txt","input":{"filepath":"/workspace/a.txt","diff":"Index: /workspace/a.txt\n===================================================================\n--- /workspace/a.txt\n+++ /workspace/a.txt\n@@ -0,0 +1,1 @@\n+A\n"}},"options":["once","always","reject"]}
  file.changed [session/update] {"file":"/workspace/a.txt"}
  tool.finished [session/update] {"tool":"edit","call_id":"call_000004","input":{"filePath":"/workspace/a.txt","content":"A\n"},"output":"Wrote file successfully.","status":"completed"}
  text.delta [session/update] {"text":"done","part_id":"msg_1fa04f791001y9m9geYl46H9fT"}
  other [session/update]
completed
  other [session/update]
  tool.started [session/update] {"tool":"execute","call_id":"call_000007","input":{"command":"echo hi > b.txt; cat b.txt","description":"x","cwd":"/workspace"},"status":"running"}
  permission.asked [session/request_permission] {"prompt_id":"process-903","tool":"execute","input":{"title":"echo hi > b.txt; cat b.txt","input":{"command":"echo hi > b.txt; cat b.txt"}},"options":["once","always","reject"]}
  other [session/update]
  other [session/update]
  tool.finished [session/update] {"tool":"execute","call_id":"call_000007","input":{"command":"echo hi > b.txt; cat b.txt","description":"x","cwd":"/workspace"},"output":"hi\n","status":"completed"}
  text.delta [session/update] {"text":"done","part_id":"msg_1fa04fa7b001Ty2fAyRmPYlSU3"}
  other [session/update]
completed
  other [session/update]
  permission.asked [session/request_permission] {"prompt_id":"process-904","tool":"execute","input":{"title":"touch rej","input":{"command":"touch rej"}},"options":["once","always","reject"]}
  tool.started [session/update] {"tool":"execute","call_id":"call_000010","input":{"command":"touch rej","description":"x","cwd":"/workspace"},"status":"running"}
  tool.finished [session/update] {"tool":"execute","call_id":"call_000010","input":{"command":"touch rej","description":"x","cwd":"/workspace"},"error":"The user rejected permission to use this specific tool call.","status":"error"}
  other [session/update]
completed
  text.delta [session/update] {"text":"chunk 0 ","part_id":"msg_1fa04fe3e001GQpHkr0xCVmtZx"}
  text.delta [session/update] {"text":"chunk 1 ","part_id":"msg_1fa04fe3e001GQpHkr0xCVmtZx"}
  text.delta [session/update] {"text":"chunk 2 ","part_id":"msg_1fa04fe3e001GQpHkr0xCVmtZx"}
  text.delta [session/update] {"text":"chunk 3 ","part_id":"msg_1fa04fe3e001GQpHkr0xCVmtZx"}
  text.delta [session/update] {"text":"chunk 4 ","part_id":"msg_1fa04fe3e001GQpHkr0xCVmtZx"}
  text.delta [session/update] {"text":"chunk 5 ","part_id":"msg_1fa04fe3e001GQpHkr0xCVmtZx"}
  text.delta [session/update] {"text":"chunk 6 ","part_id":"msg_1fa04fe3e001GQpHkr0xCVmtZx"}
  text.delta [session/update] {"text":"chunk 7 ","part_id":"msg_1fa04fe3e001GQpHkr0xCVmtZx"}
  text.delta [session/update] {"text":"chunk 8 ","part_id":"msg_1fa04fe3e001GQpHkr0xCVmtZx"}
  text.delta [session/update] {"text":"chunk 9 ","part_id":"msg_1fa04fe3e001GQpHkr0xCVmtZx"}
  text.delta [session/update] {"text":"chunk 10 ","part_id":"msg_1fa04fe3e001GQpHkr0xCVmtZx"}
  text.delta [session/update] {"text":"chunk 11 ","part_id":"msg_1fa04fe3e001GQpHkr0xCVmtZx"}
  text.delta [session/update] {"text":"chunk 12 ","part_id":"msg_1fa04fe3e001GQpHkr0xCVmtZx"}
  other [session/update]
interrupted
