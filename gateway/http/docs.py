"""/docs: the OpenAPI document as one page that loads nothing and runs nothing."""

import base64
import hashlib
import json
from collections.abc import Iterator, Sequence
from html import escape
from typing import Any

from starlette.responses import Response

from gateway.http.openapi import Document
from gateway.http.operations import Access, Answer, Call, NoQuery, Operation

_STYLE = """
:root{color-scheme:light dark;font:16px/1.5 system-ui,sans-serif}
body{max-width:60rem;margin:2rem auto;padding:0 1rem}
pre{overflow:auto;padding:.75rem;border-radius:.4rem;background:#8882}
code{font:.9em ui-monospace,monospace}
details{border:1px solid #8885;border-radius:.5rem;margin:.5rem 0;padding:.5rem 1rem}
summary{cursor:pointer}
summary b{display:inline-block;min-width:4.5rem}
table{border-collapse:collapse;width:100%}
td,th{text-align:left;vertical-align:top;padding:.25rem .75rem .25rem 0;border-top:1px solid #8883}
""".strip()
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_HEADERS = {
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


class DocsResource:
    """Shows the page of the document it is given."""

    def __init__(self) -> None:
        self._page = ""

    def publish(self, document: Document) -> None:
        self._page = page(document)

    def operations(self) -> Sequence[Operation]:
        return [
            Operation(
                method="GET",
                path="/docs",
                name="docs",
                summary="This description as a page",
                handler=self._show,
                access=Access.OPEN,
                answers={200: Answer(what="HTML", media="text/html")},
            )
        ]

    async def _show(self, _: Call[NoQuery, None]) -> Response:
        return Response(self._page, media_type="text/html", headers=_HEADERS)


def page(document: Document) -> str:
    """The HTML of an OpenAPI document made by `describe`."""
    info = document["info"]
    title = f"{escape(info['title'])} {escape(info['version'])}"
    routes = "".join(
        _route(document, path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    )
    models = "".join(_model(name, s) for name, s in document["components"]["schemas"].items())
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width">'
        f"<style>{_STYLE}</style></head><body><h1>{title}</h1><p>{escape(info['description'])}</p>"
        '<p>For programs: <a href="/openapi.json">/openapi.json</a></p>'
        f"<h2>Routes</h2>{routes}<h2>Models</h2>{models}</body></html>"
    )


def _route(document: Document, path: str, method: str, operation: Document) -> str:
    inside = "".join(
        (
            _table(("Parameter", "In", "Form"), _parameter_rows(operation)),
            _request_body(operation),
            f"<h4>Try</h4><pre><code>{escape(_curl(path, method, operation))}</code></pre>",
            "<h4>Answers</h4>",
            _table(("Status", "When"), _answer_rows(document, operation)),
            "".join(_examples(operation)),
        )
    )
    name = f"<b>{method.upper()}</b> <code>{escape(path)}</code>"
    return (
        f'<details id="{escape(operation["operationId"])}"><summary>{name} '
        f"{escape(operation['summary'])}</summary>{inside}</details>"
    )


def _parameter_rows(operation: Document) -> Iterator[Sequence[str]]:
    for parameter in operation["parameters"]:
        needed = "" if parameter.get("required") else "?"
        yield f"{parameter['name']}{needed}", parameter["in"], _form(parameter["schema"])


def _request_body(operation: Document) -> str:
    if "requestBody" not in operation:
        return ""
    content = operation["requestBody"]["content"]["application/json"]
    model = content["schema"].get("$ref", "").rpartition("/")[2]
    link = f' <a href="#model-{escape(model)}">{escape(model)}</a>' if model else ""
    return f"<h4>Body{link}</h4>{_json(content['example'])}"


def _answer_rows(document: Document, operation: Document) -> Iterator[Sequence[str]]:
    for status, answer in operation["responses"].items():
        name = answer.get("$ref", "").rpartition("/")[2]
        shown = document["components"]["responses"][name] if name else answer
        yield status, f"{shown['description']}{f' ({name})' if name else ''}"


def _examples(operation: Document) -> Iterator[str]:
    for status, answer in operation["responses"].items():
        example = answer.get("content", {}).get("application/json", {}).get("example")
        if example is not None:
            yield f"<h4>Answer {escape(status)}</h4>{_json(example)}"


def _model(name: str, schema: Document) -> str:
    needed = set(schema.get("required", ()))
    rows = (
        (field if field in needed else f"{field}?", _form(form))
        for field, form in schema.get("properties", {}).items()
    )
    about = escape(schema.get("description", ""))
    return (
        f'<details id="model-{escape(name)}"><summary><code>{escape(name)}</code> {about}'
        f"</summary>{_table(('Field', 'Form'), rows)}</details>"
    )


def _form(schema: Document) -> str:
    """What a field may be, in words as far as the schema has them."""
    kind = schema.get("type") or ("one of" if "enum" in schema or "anyOf" in schema else "")
    if "$ref" in schema:
        kind = schema["$ref"].rpartition("/")[2]
    words = [kind, ", ".join(map(str, schema.get("enum", ()))), schema.get("description", "")]
    return " · ".join(word for word in words if word)


def _curl(path: str, method: str, operation: Document) -> str:
    query = "&".join(f"{p['name']}=ada" for p in operation["parameters"] if p["name"] == "user_id")
    filled = path.replace("{agent_id}", "$AGENT").replace("{request_id}", "$TURN")
    address = f"http://127.0.0.1:8080{filled}"
    parts = ["curl -s", "" if method == "get" else f"-X {method.upper()}"]
    parts.append('-H "Authorization: Bearer $FORGE_API_KEY"' if operation.get("security") else "")
    if "requestBody" in operation:
        example = operation["requestBody"]["content"]["application/json"]["example"]
        parts += ["-H 'Content-Type: application/json'", f"-d '{json.dumps(example)}'"]
    parts.append(f'"{address}{"?" + query if query else ""}"')
    return " ".join(part for part in parts if part)


def _table(heads: Sequence[str], rows: Iterator[Sequence[str]]) -> str:
    cells = "".join(
        f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows
    )
    head = "".join(f"<th>{escape(name)}</th>" for name in heads)
    return f"<table><tr>{head}</tr>{cells}</table>" if cells else ""


def _json(value: Any) -> str:
    return f"<pre><code>{escape(json.dumps(value, indent=2))}</code></pre>"
