"""A resume address is used only if every part of it is allowed; every answer of n8n has one meaning."""

from __future__ import annotations

from typing import Any

import pytest

from battcrm.infra.exchange import HttpResponse
from battcrm.kit.clock import ManualClock
from battcrm.kit.errors import Invalid, Permanent, Transient
from battcrm.migration.queue.resume import Resumer
from battcrm.migration.queue.settings import Resume

ALLOWED = Resume(hosts=("n8n.example", "10.0.0.5:5678", "[::1]:5678"))
URL = "http://10.0.0.5:5678/webhook-waiting/231/suffix?signature=ab"


class Quick(ManualClock):
    """Sleeps at once and counts."""

    def __init__(self) -> None:
        super().__init__()
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


class Answers:
    """Gives the answers in order, the last for ever."""

    def __init__(self, *answers: tuple[int, bytes]) -> None:
        self._answers = list(answers)
        self.asked: list[tuple[str, str, Any]] = []

    async def request(
        self, method: str, url: str, *, json: Any = None, timeout: float = 20.0, idempotent: bool = False
    ) -> HttpResponse:
        self.asked.append((method, url, json))
        status, body = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        return HttpResponse(status, {}, body)


def resumer(*answers: tuple[int, bytes]) -> tuple[Resumer, Answers, Quick]:
    http, clock = Answers(*(answers or ((200, b""),))), Quick()
    return Resumer(http, clock, ALLOWED), http, clock


@pytest.mark.parametrize(
    "url",
    [
        URL,
        "https://n8n.example/webhook-waiting/1",
        "http://N8N.example/webhook-waiting/1",
        "http://[::1]:5678/webhook-waiting/1",
    ],
)
def test_allowed(url: str) -> None:
    assert resumer()[0].check(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "webhook-waiting/1",
        "file:///etc/passwd",
        "gopher://n8n.example/webhook-waiting/1",
        "http://user@n8n.example/webhook-waiting/1",
        "http://n8n.example:pw@evil.example/webhook-waiting/1",
        "http://n8n.example@evil.example/webhook-waiting/1",
        "http://n8n.example.evil.example/webhook-waiting/1",
        "http://evil.example/webhook-waiting/1?n8n.example",
        "http://evil.example#n8n.example/webhook-waiting/1",
        "http://evil.example\\@n8n.example/webhook-waiting/1",
        "http://n8n.example:5678/webhook-waiting/1",
        "http://10.0.0.5/webhook-waiting/1",
        "http://10.0.0.5:99999/webhook-waiting/1",
        "http://0xa000005:5678/webhook-waiting/1",
        "http://169.254.169.254/webhook-waiting/1",
        "http://[::ffff:10.0.0.5]:5678/webhook-waiting/1",
        "http://n8n.example/webhook-waiting/../rest/owner",
        "http://n8n.example/webhook-waiting/%2e%2e/rest/owner",
        "http://n8n.example//evil.example/webhook-waiting/1",
        "http://n8n.example/rest/users",
        "http://n8n.example/WEBHOOK-WAITING/1",
        "http://n8n.example/webhook-waiting/1\r\nX-Evil: 1",
        "http://n8n。example/webhook-waiting/1",
    ],
)
async def test_refused_without_a_request(url: str) -> None:
    posting, http, _ = resumer()
    with pytest.raises(Invalid) as caught:
        await posting.post(url, {})
    assert caught.value.code == "resume_url"
    assert http.asked == []


async def test_resumes() -> None:
    posting, http, _ = resumer()
    assert await posting.post(URL, {"task_id": "1"}) == "resumed"
    assert http.asked == [("POST", URL, {"task_id": "1"})]


async def test_waits_until_the_execution_is_parked() -> None:
    running = (409, b'{"message":"The execution \\"1\\" is running already."}')
    posting, http, clock = resumer(running, running, (200, b""))
    assert await posting.post(URL, {}) == "resumed"
    assert len(http.asked) == 3
    assert clock.slept == [0.05, 0.1]


async def test_gives_the_task_back_when_it_is_not_parked_for_long() -> None:
    posting, _, clock = resumer((409, b"is running already"))
    with pytest.raises(Transient) as caught:
        await posting.post(URL, {})
    assert caught.value.code == "not_parked"
    assert sum(clock.slept) > 3


@pytest.mark.parametrize("answer", [(404, b"does not exist"), (410, b""), (409, b"has finished already")])
async def test_nobody_waits_any_more(answer: tuple[int, bytes]) -> None:
    posting, http, _ = resumer(answer)
    assert await posting.post(URL, {}) == "gone"
    assert len(http.asked) == 1


@pytest.mark.parametrize(
    ("status", "kind"), [(500, Transient), (503, Transient), (429, Transient), (401, Permanent), (302, Permanent)]
)
async def test_other_answers(status: int, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        await resumer((status, b""))[0].post(URL, {})
