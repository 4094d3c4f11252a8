"""A class of three at a real server, and how its register is read."""

import asyncio
import dataclasses
from concurrent.futures import ThreadPoolExecutor

import pytest
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.runtime.forward_msg_queue import ForwardMsgQueue
from streamlit.runtime.scriptrunner_utils.script_requests import RerunData, ScriptRequests

from benchmarks.classroom import lesson as lessons
from benchmarks.classroom import uploads
from benchmarks.classroom.__main__ import FIRST, Meter, markdown, measure, report, summary
from benchmarks.classroom.browser import browsing
from benchmarks.classroom.lesson import Interaction, Lesson, Register
from tests.browser.server import serving

SMALL = Lesson(students=3, jobs=0, seconds=5, arrive=0.5, think=(0.2, 0.8))


def in_a_thread(function, *args):
    """function(*args), where Playwright's event loop does not run."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(function, *args).result()


@pytest.mark.xdist_group("classroom")
def test_three_students_have_a_lesson_each_of_their_own(tmp_path):
    result = in_a_thread(measure, SMALL, tmp_path)
    assert result["errors"] == [] and result["strange"] == []
    assert result["first"]["n"] == 3 and result["later"]["n"] >= 3
    assert result["received_mb"] > 0.1 and result["server_mb"] > 50
    assert result["jobs"] == {"asked": 0, "distinct": 0, "runs": 0, "twins": 0, "askers": 0,
                              "done": 0}


@pytest.mark.xdist_group("classroom")
def test_a_browser_is_told_its_own_choices_and_no_other_s(tmp_path):
    heard = {name: bytearray() for name in ("one", "two")}

    async def both(url):
        async with browsing(url, heard["one"].extend) as one, \
                browsing(url, heard["two"].extend) as two:
            await asyncio.gather(one.open("runs", "run=word-1-00000001"),
                                 two.open("race", f"run={lessons.RACE}"))
            await two.set("x_choice", string_array_value=["seconds"])
            await asyncio.gather(one.again(), two.again())
            with pytest.raises(KeyError, match="has no widget 'train', but .*'search'"):
                await one.set("train", trigger_value=True)
            return one.query, two.query

    with serving(tmp_path) as server:
        queries = in_a_thread(asyncio.run, both(server.url))
    assert queries == ("run=word-1-00000001", f"run={lessons.RACE}&x=seconds")
    assert lessons.WORD.search(heard["one"]) and not lessons.WORD.search(heard["two"])
    assert b"x=seconds" in heard["two"] and b"x=seconds" not in heard["one"]


@pytest.mark.xdist_group("classroom")
def test_two_students_bring_a_model_each_and_are_told_of_their_own(tmp_path):
    result = in_a_thread(uploads.measure, 2, tmp_path)
    assert result["errors"] == [] and result["told_own"] == 2 and result["told_another"] == 0
    assert "| files read and told of on their own page | 2 of 2 |" in uploads.markdown(result)


def test_another_s_word_is_strange_and_one_s_own_is_not():
    register = Register()
    student = lessons._Student(3, SMALL, register)
    student.hear(b"\x0a" + student.word.encode() + b" word-33-0123abcd")
    assert register.words_seen == {3}
    assert register.strange == ["student 3 was sent word-33-0123abcd"]


def test_a_lesson_is_the_same_for_the_same_seed():
    words = [[lessons._Student(n, dataclasses.replace(SMALL, seed=seed), Register()).word
              for n in range(3)] for seed in (0, 0, 1)]
    assert words[0] == words[1] != words[2] and len(set(words[0])) == 3


@pytest.mark.parametrize("values, expected", [
    ([], {"n": 0, "p50": None, "p95": None, "max": None}),
    ([2.0], {"n": 1, "p50": 2.0, "p95": 2.0, "max": 2.0}),
    (range(100, 0, -1), {"n": 100, "p50": 50.5, "p95": 95, "max": 100}),
    (range(1, 21), {"n": 20, "p50": 10.5, "p95": 19, "max": 20}),
    (range(1, 22), {"n": 21, "p50": 11, "p95": 20, "max": 21}),
])
def test_percentiles(values, expected):
    assert summary(list(values)) == expected


def test_the_first_opening_is_apart_and_jobs_are_beside_what_overlaps():
    meter = Meter([1.0, 10.0, 20.0], [100.0, 300.0, 200.0], [0.0, 50.0, 0.0],
                  [False, True, False])
    register = Register([Interaction(0, FIRST, 0.0, 9.0), Interaction(0, "open runs", 9.8, 0.4),
                         Interaction(1, "open runs", 18.0, 3.0)], polls=[0.1], received=2_000_000)
    register.errors.append("student 1: TimeoutError")
    result = report(SMALL, register, meter, [])
    assert result["first"]["max"] == 9.0
    assert result["later"] == {"n": 2, "p50": 1.7, "p95": 3.0, "max": 3.0}
    assert result["beside_job"] == {"n": 1, "p50": 0.4, "p95": 0.4, "max": 0.4}
    assert result["server_mb"] == 300 and result["workers_mb"] == 50
    text = markdown(result)
    assert "| 95 % of interactions while a job runs | under 1 s | 0.40 s, n = 1 |" in text
    assert "| memory of the server at its peak | under 1,500 MB | 300 MB |" in text
    assert ("| state of another in a session's messages | never | 0 times in 2.0 MB; 0 students "
            "were told their own word |") in text
    assert "| errors | none | 1 |" in text


@pytest.mark.parametrize(("end", "told"), [
    (ForwardMsg.FINISHED_SUCCESSFULLY, ForwardMsg.FINISHED_SUCCESSFULLY),
    (ForwardMsg.FINISHED_FRAGMENT_RUN_SUCCESSFULLY, ForwardMsg.FINISHED_EARLY_FOR_RERUN)])
def test_a_poll_leaves_what_was_drawn_before_it_whole(end, told):
    """A page, or a click's fragment "clicked", is drawn and not sent yet when a poll begins."""
    queue = ForwardMsgQueue()
    for at, fragment in enumerate(("", "clicked", "polled")):
        drawn = ForwardMsg()
        drawn.delta.fragment_id, drawn.metadata.delta_path[:] = fragment, [0, at]
        drawn.delta.new_element.markdown.body = fragment
        queue.enqueue(drawn)
    queue.enqueue(ForwardMsg(script_finished=end))
    queue.clear(retain_lifecycle_msgs=True, fragment_ids_this_run=["polled"])
    *kept, last = queue.flush()
    assert [message.delta.fragment_id for message in kept] == ["", "clicked"]
    assert last.script_finished == told


def test_a_poll_waits_for_a_page_that_is_being_drawn():
    requests = ScriptRequests()
    assert requests.request_rerun(RerunData(fragment_id="polled", is_auto_rerun=True))
    assert requests.on_scriptrunner_yield() is None
    assert requests.on_scriptrunner_ready().rerun_data.fragment_id_queue == ["polled"]
    assert requests.request_rerun(RerunData(fragment_id="polled", is_auto_rerun=True))
    assert requests.request_rerun(RerunData())
    assert not requests.on_scriptrunner_yield().rerun_data.fragment_id_queue, "the page goes first"
