"""How the register of a class that follows the lesson is read."""

from app.read.lesson.scene import scenes
from benchmarks.classroom.following import Register, _Student, markdown


def test_a_student_notes_when_a_scene_was_sent():
    titles = [scene.title for scene in scenes()]
    student = _Student(1, titles, Register())
    student.hear(b"\x0a" + titles[2].encode() + b"\x12")
    assert list(student.sent) == [titles[2]]


def test_the_table_says_whether_all_votes_are_counted():
    times = {"n": 2, "p50": 0.2, "p95": 0.5, "max": 0.5}
    result = {"students": 30, "scenes": 2, "load": [0.1, 2.0], "next": times, "votes": times,
              "along": {"n": 0, "p50": None, "p95": None, "max": None},
              "counted": {"one": 30, "two": 29}, "lost": 1, "server_mb": 700, "errors": []}
    text = markdown(result)
    assert "| scenes of which all votes are counted | 2 | 1 |" in text
    assert "| 95 % under 1 s | 0.20 s, 0.50 s, 0.50 s, n = 2 |" in text and "| – |" in text
