"""A scripted model behind Anthropic's wire (POST /v1/messages, server-sent events), and a record of what it was asked."""

import http.server
import json
import threading


class Model(http.server.ThreadingHTTPServer):
    """`script(request)` gives the blocks of the answer; `requests` keeps what came."""

    daemon_threads = True

    def __init__(self, script):
        super().__init__(("127.0.0.1", 0), self.handler())
        self.script = script
        self.requests = []
        self.keys = []
        self.lock = threading.Lock()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handler(self):
        return Handler

    @property
    def port(self):
        return self.server_address[1]

    def turns(self):
        """Requests of the conversation itself: those that offer tools."""
        with self.lock:
            return [r for r in self.requests if r.get("tools")]

    def close(self):
        self.shutdown()
        self.server_close()


def text(words):
    return {"type": "text", "text": words}


def tool(number, name, **arguments):
    return {"type": "tool_use", "id": f"toolu_{number:06}", "name": name, "input": arguments}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.send(200, "text/plain", b"")

    def do_GET(self):
        self.send(404, "text/plain", b"")

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
        if "count_tokens" in self.path:
            return self.send(200, "application/json", b'{"input_tokens": 10}')
        with self.server.lock:
            self.server.keys.append(self.headers.get("x-api-key"))
            self.server.requests.append(request)
            number = len(self.server.requests)
        blocks = self.server.script(request)
        stop = "tool_use" if any(b["type"] == "tool_use" for b in blocks) else "end_turn"
        message = {"id": f"msg_{number}", "type": "message", "role": "assistant", "model": request.get("model", "m"),
                   "content": [], "stop_reason": None, "stop_sequence": None,
                   "usage": {"input_tokens": 10, "output_tokens": 5}}
        if not request.get("stream"):
            body = {**message, "content": blocks, "stop_reason": stop}
            return self.send(200, "application/json", json.dumps(body).encode())
        events = [("message_start", {"message": message})]
        for i, block in enumerate(blocks):
            if block["type"] == "text":
                begin, delta = {"type": "text", "text": ""}, {"type": "text_delta", "text": block["text"]}
            else:
                begin = {**block, "input": {}}
                delta = {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
            events.append(("content_block_start", {"index": i, "content_block": begin}))
            events.append(("content_block_delta", {"index": i, "delta": delta}))
            events.append(("content_block_stop", {"index": i}))
        events.append(("message_delta", {"delta": {"stop_reason": stop, "stop_sequence": None},
                                         "usage": {"output_tokens": 5}}))
        events.append(("message_stop", {}))
        body = "".join(f"event: {name}\ndata: {json.dumps({'type': name, **data})}\n\n" for name, data in events)
        self.send(200, "text/event-stream", body.encode())

    def send(self, status, kind, body):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


class ResponsesModel(Model):
    """The same behind OpenAI's wire (POST /v1/responses), as Codex speaks it."""

    def handler(self):
        return ResponsesHandler


class ResponsesHandler(Handler):
    def do_GET(self):
        self.send(200, "application/json", b'{"models": [], "data": []}')

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
        with self.server.lock:
            self.server.requests.append(request)
            number = len(self.server.requests)
        items = [self.item(number, i, block) for i, block in enumerate(self.server.script(request))]
        response = {"id": f"resp_{number}", "object": "response", "status": "completed", "output": items,
                    "usage": {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15,
                              "input_tokens_details": {"cached_tokens": 0},
                              "output_tokens_details": {"reasoning_tokens": 0}}}
        events = [("response.created", {"response": {**response, "status": "in_progress", "output": []}})]
        for i, item in enumerate(items):
            events.append(("response.output_item.added", {"output_index": i, "item": item}))
            events.append(("response.output_item.done", {"output_index": i, "item": item}))
        events.append(("response.completed", {"response": response}))
        body = "".join(f"event: {name}\ndata: {json.dumps({'type': name, **data})}\n\n" for name, data in events)
        self.send(200, "text/event-stream", body.encode())

    @staticmethod
    def item(number, i, block):
        if block["type"] == "text":
            return {"type": "message", "id": f"m_{number}_{i}", "role": "assistant",
                    "content": [{"type": "output_text", "text": block["text"], "annotations": []}]}
        if block["name"] == "apply_patch":
            return {"type": "custom_tool_call", "id": f"ctc_{number}_{i}", "call_id": block["id"],
                    "name": "apply_patch", "input": block["input"]["patch"]}
        return {"type": "function_call", "id": f"fc_{number}_{i}", "call_id": block["id"], "name": block["name"],
                "arguments": json.dumps(block["input"])}


class ChatModel(Model):
    """The same behind OpenAI's older wire (POST /v1/chat/completions), as Copilot speaks it."""

    def handler(self):
        return ChatHandler


class ChatHandler(Handler):
    def do_GET(self):
        self.send(200, "application/json", b'{"object": "list", "data": []}')

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
        with self.server.lock:
            self.server.requests.append(request)
            number = len(self.server.requests)
        blocks = self.server.script(request)
        words = "".join(block["text"] for block in blocks if block["type"] == "text")
        calls = [{"index": i, "id": block["id"], "type": "function",
                  "function": {"name": block["name"], "arguments": json.dumps(block["input"])}}
                 for i, block in enumerate(b for b in blocks if b["type"] == "tool_use")]
        end = "tool_calls" if calls else "stop"
        usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
        told = {"role": "assistant", "content": words or None, **({"tool_calls": calls} if calls else {})}
        base = {"id": f"chatcmpl-{number}", "created": 1, "model": request.get("model", "m")}
        if not request.get("stream"):
            body = {**base, "object": "chat.completion", "usage": usage,
                    "choices": [{"index": 0, "message": told, "finish_reason": end}]}
            return self.send(200, "application/json", json.dumps(body).encode())
        chunks = [{"choices": [{"index": 0, "delta": told, "finish_reason": None}]},
                  {"choices": [{"index": 0, "delta": {}, "finish_reason": end}]}, {"choices": [], "usage": usage}]
        lines = [json.dumps({**base, "object": "chat.completion.chunk", **chunk}) for chunk in chunks]
        return self.send(200, "text/event-stream", "".join(f"data: {line}\n\n" for line in [*lines, "[DONE]"]).encode())


class GeminiModel(Model):
    """The same behind Google's wire (POST /v1beta/models/NAME:streamGenerateContent), as Gemini CLI speaks it."""

    def handler(self):
        return GeminiHandler


class GeminiHandler(Handler):
    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
        if ":countTokens" in self.path:
            return self.send(200, "application/json", b'{"totalTokens": 10}')
        # As the other wires have it: a list of what can be called.
        request["tools"] = [one for some in request.get("tools") or [] for one in some.get("functionDeclarations", [])]
        with self.server.lock:
            self.server.requests.append(request)
        parts = [{"text": block["text"]} if block["type"] == "text" else
                 {"functionCall": {"name": block["name"], "args": block["input"]}}
                 for block in self.server.script(request)]
        answer = {"candidates": [{"content": {"role": "model", "parts": parts}, "finishReason": "STOP", "index": 0}],
                  "usageMetadata": {"promptTokenCount": 10, "candidatesTokenCount": 5, "totalTokenCount": 15}}
        if "stream" not in self.path:
            return self.send(200, "application/json", json.dumps(answer).encode())
        return self.send(200, "text/event-stream", f"data: {json.dumps(answer)}\r\n\r\n".encode())
