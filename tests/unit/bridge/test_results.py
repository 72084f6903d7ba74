"""Answers of servers on their way to a client of the other era."""

import json

import pytest

from gateway_core.errors import UpstreamGarbage
from gateway_core.protocol.bridge import results
from gateway_core.protocol.versions import META_SERVER_INFO

WEATHER = {"name": "weather", "version": "3"}
TEXT = {"type": "text", "text": "Sunny"}
LINK = {"type": "resource_link", "uri": "file:///a", "name": "a", "size": 3, "annotations": {"audience": ["user"]}}
AUDIO = {"type": "audio", "data": "AAAA", "mimeType": "audio/wav", "_meta": {"x": 1}}


def tool(name, **more):
    return {"name": name, "inputSchema": {"type": "object"}, **more}


def call(result, version="2025-11-25"):
    return results.to_legacy("tools/call", {"resultType": "complete", **result}, version=version)


def test_a_modern_client_gets_a_complete_result_that_nobody_may_cache():
    hinted = {"tools": [], "ttlMs": 60000, "cacheScope": "public", "resultType": "task"}
    assert results.to_modern("tools/list", hinted, server_info=WEATHER) == {
        "tools": [], "resultType": "complete", "ttlMs": 0, "cacheScope": "private",
        "_meta": {META_SERVER_INFO: WEATHER},
    }  # fmt: skip
    assert results.to_modern("tools/call", {"content": []}, server_info=None) == {
        "content": [], "resultType": "complete",
    }  # fmt: skip


def test_a_modern_client_is_not_offered_a_tool_that_runs_only_as_a_task():
    listed = {
        "tools": [tool("a", execution={"taskSupport": "required"}), tool("b", execution={"taskSupport": "optional"})]
    }
    assert results.to_modern("tools/list", listed, server_info=None)["tools"] == [tool("b")]


def test_a_legacy_client_gets_a_result_without_the_marks_of_the_modern_era():
    modern = {"resultType": "complete", "resources": [], "ttlMs": 5, "cacheScope": "public", "com.example/x": 1,
              "_meta": {META_SERVER_INFO: WEATHER, "y": 2}}  # fmt: skip
    legacy = {"resources": [], "com.example/x": 1, "_meta": {"y": 2}}
    assert results.to_legacy("resources/list", modern, version="2025-11-25") == legacy


def test_an_answer_that_is_no_object_is_refused():
    with pytest.raises(UpstreamGarbage, match="no object"):
        results.to_modern("tools/call", ["text"], server_info=None)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["input_required", "task", None, 1])
def test_a_kind_of_result_that_legacy_does_not_have_is_refused(kind):
    with pytest.raises(UpstreamGarbage, match="does not have"):
        results.to_legacy("tools/list", {"resultType": kind}, version="2025-11-25")


def test_a_tool_with_a_broken_header_annotation_is_left_out_and_the_others_stay():
    broken = tool("broken")
    broken["inputSchema"] = {"type": "object", "properties": {"n": {"type": "number", "x-mcp-header": "N"}}}
    listed = {"tools": [broken, tool("good")]}
    assert results.to_legacy("tools/list", listed, version="2025-11-25") == {"tools": [tool("good")]}
    assert results.dropped_tools(listed) == [("broken", "n has an x-mcp-header and is no string, integer or boolean")]


@pytest.mark.parametrize("schema", [{"type": "array"}, {"anyOf": []}, {"type": ["object", "null"]}, True])
def test_a_tool_whose_output_is_no_object_is_offered_without_its_output_schema(schema):
    listed = {"tools": [tool("a", outputSchema=schema, title="A"), tool("b", outputSchema={"type": "object"})]}
    kept = [tool("a", title="A"), tool("b", outputSchema={"type": "object"})]
    assert results.to_legacy("tools/list", listed, version="2025-11-25")["tools"] == kept


@pytest.mark.parametrize("value", [[1, 2], "Grün", 1, True, None])
def test_structured_content_that_is_no_object_reaches_a_legacy_client_as_text(value):
    shown = call({"content": [TEXT], "structuredContent": value})
    assert shown == {"content": [TEXT, {"type": "text", "text": json.dumps(value, ensure_ascii=False)}]}


def test_structured_content_that_is_in_the_text_already_is_not_told_twice():
    told = {"type": "text", "text": '{"b": [1],\n "a": 2}'}
    assert call({"content": [told], "structuredContent": [1]})["content"] != [told]
    assert call({"content": [told], "structuredContent": {"a": 2, "b": [1]}}, "2025-03-26")["content"] == [told]
    one = {"type": "text", "text": "1"}
    assert call({"content": [one], "structuredContent": True})["content"] == [one, {"type": "text", "text": "true"}]


def test_a_client_older_than_structured_content_reads_it_as_text():
    wanted = {"content": [{"type": "text", "text": '{"a": 1}'}], "structuredContent": {"a": 1}}
    assert call({"content": [], "structuredContent": {"a": 1}}, "2025-03-26") == wanted
    assert call({"content": [], "structuredContent": {"a": 1}}, "2025-06-18") == wanted | {"content": []}


def test_a_client_older_than_resource_links_reads_them_as_text():
    assert call({"content": [LINK]}, "2025-06-18")["content"] == [LINK]
    [shown] = call({"content": [LINK]}, "2025-03-26")["content"]
    assert shown["type"] == "text"
    assert shown["annotations"] == {"audience": ["user"]}
    assert shown["text"] == 'Link to a resource: {"uri": "file:///a", "name": "a", "size": 3}'


def test_a_client_older_than_audio_gets_it_as_an_embedded_resource_in_tools_and_prompts():
    held = {"uri": "gatehouse://content/audio", "mimeType": "audio/wav", "blob": "AAAA"}
    resource = {"type": "resource", "resource": held, "_meta": {"x": 1}}
    assert call({"content": [TEXT, AUDIO]}, "2025-03-26")["content"] == [TEXT, AUDIO]
    assert call({"content": [TEXT, AUDIO]}, "2024-11-05")["content"] == [TEXT, resource]
    prompt = {"messages": [{"role": "user", "content": AUDIO}]}
    shown = results.to_legacy("prompts/get", prompt, version="2024-11-05")
    assert shown == {"messages": [{"role": "user", "content": resource}]}
