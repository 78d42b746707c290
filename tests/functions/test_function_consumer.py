"""A function takes batches as in AWS Lambda: what it is given, and what becomes of what it returns or raises."""

from __future__ import annotations

import json
import os
import re
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from headrace.batch import Window
from headrace.errors import ConsumerFailed, ConsumerUnavailable
from support.deadline import eventually
from support.functions import ARN, SHARD, batch, change


def failed(consumer, records=1):
    with pytest.raises(ConsumerFailed) as raised:
        consumer.consume(batch(records))
    return raised.value


def test_a_function_gets_the_event_and_returns_a_response(pod):
    pod.write("handlers.py", "def on_change(event, context): return event")
    consumer = pod.consumer("handlers:on_change")
    records = [change(1, note={"S": "ünï"}), change(2, blob={"B": "AP8="})]
    assert consumer.consume(batch(records)) == {"Records": records}


def test_a_module_keeps_its_state_from_one_invocation_to_the_next(pod):
    pod.write(
        "handlers.py", "import os\ncalls = []\ndef f(e, c): calls.append(1); return [len(calls), os.getpid()]"
    )
    consumer = pod.consumer("handlers:f")
    (first, pid), (second, same) = consumer.consume(batch()), consumer.consume(batch())
    assert (first, second) == (1, 2)
    assert pid == same != os.getpid()


def test_a_function_is_found_beneath_packages_and_attributes(pod):
    pod.write("shop/__init__.py", "")
    pod.write(
        "shop/orders.py",
        "class App:\n    class inner:\n        @staticmethod\n        def on(e, c): return 'found'\n",
    )
    assert pod.consumer("shop.orders:App.inner.on").consume(batch()) == "found"


def test_the_pods_folder_comes_first_and_headrace_stays_itself(pod):
    pod.write("headrace.py", "raise SystemExit('not this one')")
    pod.write("colorsys.py", "ours = True")
    pod.write(
        "handlers.py",
        """
        import os, sys, colorsys, headrace
        def f(e, c):
            loaded = [name for name in sys.modules if name.split(".")[0] in ("duckdb", "pyarrow", "botocore", "msgspec")]
            return [sys.path[0], os.getcwd(), colorsys.ours, headrace.__version__ > "", loaded]
        """,
    )
    folder = str(pod.folder)
    assert pod.consumer("handlers:f").consume(batch()) == [folder, folder, True, True, []]


CONTEXT = """
import os, time
def f(event, context):
    before = context.get_remaining_time_in_millis()
    time.sleep(0.01)
    told = {name: getattr(context, name) for name in (
        "function_name", "function_version", "invoked_function_arn", "memory_limit_in_mb", "aws_request_id",
        "log_group_name", "log_stream_name", "client_context", "tenant_id", "shard")}
    identity = context.identity
    return {
        **told, "identity": [identity.cognito_identity_id, identity.cognito_identity_pool_id],
        "before": before, "after": context.get_remaining_time_in_millis(),
        "keys": [context.idempotency_key(record) for record in event["Records"]], "environ": dict(os.environ),
    }
"""


def test_the_context_has_what_lambda_gives_and_counts_down(pod):
    pod.write("handlers.py", CONTEXT)
    consumer = pod.consumer("handlers:f", timeout=20.0, memory=256 * 2**20)
    given = batch(2)
    told = consumer.consume(given)
    assert told["function_name"] == "orders-changed"
    assert told["function_version"] == "$LATEST"
    assert told["invoked_function_arn"] == "arn:aws:lambda:us-east-1:123456789012:function:orders-changed"
    assert told["memory_limit_in_mb"] == "256"
    assert told["log_group_name"] == "/aws/lambda/orders-changed"
    assert re.fullmatch(r"\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}", told["log_stream_name"])
    assert (told["client_context"], told["tenant_id"], told["identity"]) == (None, None, [None, None])
    assert 10_000 < told["after"] < told["before"] <= 20_000
    assert told["shard"] == SHARD
    assert told["keys"] == [given.idempotency_key(record) for record in given.records]
    again = consumer.consume(given)
    assert again["aws_request_id"] != told["aws_request_id"]
    assert again["log_stream_name"] == told["log_stream_name"]


def test_the_environment_is_lambdas_and_the_functions_own_has_the_last_word(pod, monkeypatch):
    monkeypatch.setenv("OF_HEADRACE", "kept")
    monkeypatch.setenv("AWS_REGION", "us-west-2")
    pod.write("handlers.py", CONTEXT)
    consumer = pod.consumer("handlers:f", region="eu-west-1", environment={"TABLE": "orders", "TZ": "CET"})
    environ = consumer.consume(batch())["environ"]
    expected = {
        "OF_HEADRACE": "kept",
        "AWS_REGION": "eu-west-1",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_LAMBDA_FUNCTION_NAME": "orders-changed",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
        "_HANDLER": "handlers:f",
        "LAMBDA_TASK_ROOT": str(pod.folder),
        "TABLE": "orders",
        "TZ": "CET",
    }
    assert {name: environ.get(name) for name in expected} == expected
    assert pod.consumer("handlers:f").consume(batch())["environ"]["AWS_REGION"] == "us-west-2"


def test_a_window_and_its_state_reach_the_function(pod):
    pod.write("handlers.py", "def f(e, c): e.pop('Records'); return e")
    window = Window(1767225600.0, 1767225660.0, '{"total": 7}', final=True)
    assert pod.consumer("handlers:f").consume(batch(0, window)) == {
        "window": {"start": "2026-01-01T00:00:00Z", "end": "2026-01-01T00:01:00Z"},
        "state": {"total": 7},
        "shardId": SHARD,
        "eventSourceARN": ARN,
        "isFinalInvokeForWindow": True,
        "isWindowTerminatedEarly": False,
    }


def test_a_response_is_as_large_as_in_lambda_and_no_larger(pod):
    pod.write(
        "m.py",
        "def f(e, c): print('o' * 300_000); return 'x' * int(e['Records'][0]['dynamodb']['NewImage']['n']['N'])",
    )
    consumer = pod.consumer("m:f")
    assert consumer.consume(batch([change(1, n={"N": "6291554"})])) == "x" * 6_291_554
    error = failed(consumer, [change(1, n={"N": "6291555"})])
    assert error.type == "Function.ResponseSizeTooLarge"
    assert "(6291557 bytes) exceeded maximum allowed payload size (6291556 bytes)" in str(error)


def test_an_event_of_six_megabytes_goes_through(pod):
    pod.write(
        "handlers.py",
        "def f(e, c): return sum(len(r['dynamodb']['NewImage']['t']['S']) for r in e['Records'])",
    )
    records = [change(number, t={"S": "x" * 390_000}) for number in range(16)]
    assert pod.consumer("handlers:f").consume(batch(records)) == 16 * 390_000


def test_an_exception_is_told_with_its_type_message_and_trace(pod):
    pod.write(
        "handlers.py",
        """
        class OutOfStock(Exception): ...
        def deep(): raise OutOfStock("no chairs")
        def f(e, c):
            try: deep()
            except OutOfStock as error: raise KeyError("order") from error
        """,
    )
    consumer = pod.consumer("handlers:f")
    error = failed(consumer)
    assert (error.type, str(error)) == ("KeyError", "'order'")
    [frame] = error.trace
    assert frame.startswith(f'  File "{pod.folder}/handlers.py", line 6, in f\n    ')
    assert frame.endswith("\n")
    # The cause, which the payload does not have, stands in the log.
    assert "handlers.OutOfStock: no chairs" in pod.facts.lines("stderr")
    assert not pod.facts.processes("exited")


@pytest.mark.parametrize(
    ("source", "reference", "type_", "words"),
    [
        (
            "",
            "absent:f",
            "Runtime.ImportModuleError",
            "Unable to import module 'absent': No module named 'absent'",
        ),
        (
            "import nowhere",
            "m:f",
            "Runtime.ImportModuleError",
            "Unable to import module 'm': No module named 'nowhere'",
        ),
        ("", "m:f", "Runtime.HandlerNotFound", r"Handler 'f' missing on module 'm' \(.*m\.py\)"),
        ("class A: ...", "m:A.b", "Runtime.HandlerNotFound", "Handler 'A.b' missing on module 'm'"),
        ("f = 7", "m:f", "Runtime.HandlerNotFound", "'f' on module 'm' is no function: it is of type int"),
        ("async def f(e, c): ...", "m:f", "Runtime.HandlerNotFound", "is an async function.*asyncio.run"),
        ("def f(:", "m:f", "Runtime.UserCodeSyntaxError", r"Syntax error in module 'm': .*\(m.py, line 1\)"),
        ("x = {}['k']", "m:f", "KeyError", "'k'"),
        ("", "sys:exit", "Runtime.BuiltInModuleConflict", "Cannot use built-in module sys"),
        ("import sys; sys.exit(4)", "m:f", "Runtime.ExitError", "exited with error: exit status 4"),
    ],
)
def test_what_cannot_be_imported_is_said_in_lambdas_words(pod, source, reference, type_, words):
    pod.write("m.py", source)
    error = failed(pod.consumer(reference))
    assert error.type == type_
    assert re.search(words, str(error))
    [ended] = [fact for fact in pod.facts.processes() if fact.event != "started"]
    assert ended.event == ("exited" if type_ == "Runtime.ExitError" else "import_failed")


def test_what_was_mended_is_imported_the_next_time(pod):
    pod.write("m.py", "broken")
    consumer = pod.consumer("m:f")
    assert failed(consumer).type == "NameError"
    pod.write("m.py", "def f(e, c): return 'mended'")
    assert consumer.consume(batch()) == "mended"


@pytest.mark.parametrize(
    ("returned", "words"),
    [
        ("{1, 2}", "Object of type set is not JSON serializable"),
        ("{(1, 2): 3}", "keys must be str"),
        ("c", "Object of type LambdaContext is not JSON serializable"),
        ("(x for x in e)", "Object of type generator is not JSON serializable"),
        ("'half \\ud800'", "surrogates not allowed"),
    ],
)
def test_a_response_that_is_no_json_fails_the_invocation(pod, returned, words):
    pod.write("m.py", f"def f(e, c): return {returned}")
    error = failed(pod.consumer("m:f"))
    assert error.type == "Runtime.MarshalError"
    assert str(error).startswith("Unable to marshal response: ")
    assert words in str(error)


def test_what_no_text_can_hold_is_escaped_in_errors(pod):
    pod.write("m.py", r"def f(e, c): raise ValueError('half \ud800')")
    assert str(failed(pod.consumer("m:f"))) == r"half \ud800"


def test_numbers_of_boto3_and_bytes_may_be_returned(pod):
    pod.write(
        "m.py",
        "import decimal\nD = decimal.Decimal\ndef f(e, c): return [D('12345678901234567890'), D('1.5'), (1, None)]",
    )
    assert pod.consumer("m:f").consume(batch()) == [12345678901234567890, 1.5, [1, None]]
    pod.write("b.py", """def f(e, c): return b'{"batchItemFailures": []}'\ndef g(e, c): return b'text'""")
    assert pod.consumer("b:f").consume(batch()) == {"batchItemFailures": []}
    assert pod.consumer("b:g").consume(batch()) == "text"


def test_batches_of_several_lanes_run_at_once_in_so_many_processes_at_most(pod):
    pod.write(
        "m.py",
        """
        import os, pathlib, time
        def f(e, c):
            here = pathlib.Path(f"running-{os.getpid()}")
            here.touch()
            deadline = time.monotonic() + 20
            while len(list(pathlib.Path().glob("running-*"))) < 2 and time.monotonic() < deadline: time.sleep(0.001)
            return os.getpid()
        """,
    )
    consumer = pod.consumer("m:f", processes=2)
    with ThreadPoolExecutor(6) as lanes:
        pids = list(lanes.map(lambda _: consumer.consume(batch()), range(12)))
    assert len(set(pids)) == 2
    assert len(pod.facts.processes("started")) == 2


def test_no_process_is_no_attempt(pod):
    gone = pod.folder / "gone"
    gone.mkdir()
    pod.folder = gone
    consumer = pod.consumer("m:f")
    gone.rmdir()
    with pytest.raises(
        ConsumerUnavailable, match=r"mapping orders-changed: no process can be started for m:f: .*gone"
    ):
        consumer.consume(batch())
    gone.mkdir()
    pod.write("m.py", "def f(e, c): return 1")
    assert consumer.consume(batch()) == 1


def test_root_logs_look_as_in_lambda(pod):
    pod.write(
        "m.py",
        """
        import logging
        logging.basicConfig(level=logging.DEBUG)
        log = logging.getLogger()
        log.setLevel(logging.INFO)
        def f(e, c):
            log.info("seen %d", 3)
            log.debug("not seen")
            return c.aws_request_id
        """,
    )
    request = pod.consumer("m:f").consume(batch())
    [line] = pod.facts.lines()
    assert re.fullmatch(rf"\[INFO\]\t\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{{3}}Z\t{request}\tseen 3", line)


def test_what_closes_gives_up_what_runs(pod):
    pod.write("m.py", "import time\ndef f(e, c): print('here'); time.sleep(60)")
    consumer = pod.consumer("m:f")
    raised = []

    def call():
        try:
            consumer.consume(batch())
        except ConsumerUnavailable as error:
            raised.append(str(error))

    lanes = [threading.Thread(target=call) for _ in range(2)]
    for lane in lanes:
        lane.start()
    eventually(lambda: "here" in pod.facts.lines(), within=20, what="the function runs")
    consumer.close()
    for lane in lanes:
        lane.join(10)
    assert raised == ["mapping orders-changed: its function is being stopped"] * 2
    consumer.close()
    with pytest.raises(ConsumerUnavailable):
        consumer.consume(batch())


def test_json_of_any_depth_is_a_response(pod):
    pod.write("m.py", "def f(e, c): return b'[' * 100_000")
    assert pod.consumer("m:f").consume(batch()) == json.loads(json.dumps("[" * 100_000))
