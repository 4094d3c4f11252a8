"""One browser at the dashboard, as Streamlit's server sees it: cookie, WebSocket, protobuf.

It speaks the protocol of streamlit.proto: BackMsg up, ForwardMsg down. It keeps the values of its
widgets and its address, answers each fragment that asks to be drawn again (`run_every`), and
draws nothing. It does not fetch the pictures that a page names.
"""

import asyncio
import time
import urllib.request
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from typing import Any

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.asyncio.client import ClientConnection, connect

XSRF = "_streamlit_xsrf"
TRIGGERS = ("trigger_value", "string_trigger_value", "json_trigger_value")


@dataclass(frozen=True)
class Element:
    """What a page has drawn: its kind (`button`), the widget's id and its fragment, and the words
    of a choice."""

    kind: str
    id: str
    fragment: str
    options: tuple[str, ...] = ()


@dataclass
class Browser:
    """A session. `page` and `query` are its address; `received` counts the bytes of its messages.

    `hears` is called with each message as it came; `polls` holds the seconds of each answer to a
    fragment that drew itself again. `cut` counts the interactions with a fragment whose end
    the server told as stopped early, when the poll of another began before it was sent. What they
    drew is sent all the same.
    """

    socket: ClientConnection
    url: str
    cookie: str
    listening: asyncio.Task[None] = field(init=False)
    hears: Callable[[bytes], object]
    page: str = ""
    query: str = ""
    received: int = 0
    cut: int = 0
    polls: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    _pages: dict[str, str] = field(default_factory=dict)
    _drawn: dict[tuple[int, ...], Element] = field(default_factory=dict)
    _values: dict[str, WidgetState] = field(default_factory=dict)
    _cached: dict[str, ForwardMsg] = field(default_factory=dict)
    _timers: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _session: str = ""
    _places: asyncio.Future[Any] | None = None
    _run: tuple[str, ...] | None = None  # the fragments being run; empty: the whole page
    _stopped: tuple[str, ...] = ()  # the fragments whose run was stopped early
    _awaited: tuple[str, asyncio.Future[None]] | None = None
    _polled: dict[str, float] = field(default_factory=dict)

    async def open(self, page: str, query: str = "") -> float:
        """Go to a page by its path ("" is the first one); the seconds until it is drawn."""
        self.page, self.query = page, query
        self._values.clear()
        self._drawn.clear()
        self._stop_timers()
        return await self._asked("", None)

    async def again(self) -> float:
        """Run the page's script again, with all values as they are."""
        return await self._asked("", None)

    async def set(self, key: str, **value: Any) -> float:
        """Give the widget `key` a value, by the name of WidgetState's field; the seconds until the
        page, or the fragment around the widget, is drawn. Raises KeyError where there is none."""
        element = self.find(key)
        state = WidgetState(id=element.id)
        for name, given in value.items():
            if isinstance(given, list):
                getattr(state, name).data.extend(given)
            else:
                setattr(state, name, given)
        return await self._asked(element.fragment, state)

    async def upload(self, key: str, name: str, content: bytes) -> float:
        """Give the uploader `key` a file; the seconds until the page is drawn with it."""
        element, began = self.find(key), time.perf_counter()
        message = BackMsg()
        request = message.file_urls_request
        request.request_id, request.session_id = name, self._session
        request.file_names.append(name)
        self._places = asyncio.get_running_loop().create_future()
        await self.socket.send(message.SerializeToString())
        place = await self._places
        await asyncio.to_thread(self._put, place.upload_url, name, content)
        state = WidgetState(id=element.id)
        state.file_uploader_state_value.uploaded_file_info.add(
            name=name, size=len(content), file_id=place.file_id, file_urls=place)
        await self._asked(element.fragment, state)
        return time.perf_counter() - began

    def _put(self, path: str, name: str, content: bytes) -> None:
        edge = "----edge"
        head = (f'--{edge}\r\nContent-Disposition: form-data; name="{name}"; filename="{name}"\r\n'
                "Content-Type: application/octet-stream\r\n\r\n")
        request = urllib.request.Request(
            f"{self.url}{path}", head.encode() + content + f"\r\n--{edge}--\r\n".encode(),
            {"Content-Type": f"multipart/form-data; boundary={edge}", "X-Xsrftoken": self.cookie,
             "Cookie": f"{XSRF}={self.cookie}"}, method="PUT")
        with urllib.request.urlopen(request, timeout=60):
            pass

    def find(self, key: str) -> Element:
        """The drawn widget of this key. Raises KeyError."""
        for element in self._drawn.values():
            if element.id.endswith(f"-{key}"):
                return element
        raise KeyError(f"The page {self.page!r} has no widget {key!r}, but "
                       f"{sorted(e.id.split('-', 2)[-1] for e in self._drawn.values())}.")

    def has(self, key: str) -> bool:
        """Whether a widget of this key is drawn."""
        return any(element.id.endswith(f"-{key}") for element in self._drawn.values())

    def has_timer(self) -> bool:
        """Whether some fragment of the page asks to be drawn again."""
        return bool(self._timers)

    def kinds(self) -> list[str]:
        """The kinds of all widgets that are drawn."""
        return sorted(element.kind for element in self._drawn.values())

    async def _asked(self, fragment: str, changed: WidgetState | None) -> float:
        done = asyncio.get_running_loop().create_future()
        self._awaited = fragment, done
        began = time.perf_counter()
        await self._send(fragment, changed)
        await asyncio.wait({done, self.listening}, return_when=asyncio.FIRST_COMPLETED)
        if not done.done():
            self.listening.result()  # raises what ended it
            raise ConnectionError(f"The server closed the connection of page {self.page!r}.")
        return time.perf_counter() - began

    async def _send(self, fragment: str, changed: WidgetState | None, timer: bool = False) -> None:
        message = BackMsg()
        state = message.rerun_script
        state.query_string, state.fragment_id, state.is_auto_rerun = self.query, fragment, timer
        state.page_script_hash = self._pages.get(self.page, "")
        if not state.page_script_hash:
            state.page_name = self.page
        state.cached_message_hashes.extend(self._cached)
        state.context_info.timezone, state.context_info.locale = "UTC", "en"
        if changed is not None:
            self._values[changed.id] = changed
        state.widget_states.widgets.extend(self._values.values())
        # A click is told once.
        if changed is not None and changed.WhichOneof("value") in TRIGGERS:
            del self._values[changed.id]
        await self.socket.send(message.SerializeToString())

    async def listen(self) -> None:
        """Take in messages until the connection is closed."""
        async for data in self.socket:
            self.received += len(data)
            self.hears(data)
            self._take(ForwardMsg.FromString(data))

    def _take(self, message: ForwardMsg) -> None:
        kind = message.WhichOneof("type")
        if kind == "ref_hash":
            cached = self._cached[message.ref_hash]
            path = list(message.metadata.delta_path)
            message = ForwardMsg.FromString(cached.SerializeToString())
            message.metadata.delta_path[:] = path
            kind = message.WhichOneof("type")
        elif message.metadata.cacheable and message.hash:
            self._cached[message.hash] = message
        match kind:
            case "file_urls_response":
                if self._places is not None:
                    self._places.set_result(message.file_urls_response.file_urls[0])
            case "new_session":
                self._session = message.new_session.initialize.session_id
                run = tuple(message.metadata.run.fragment_ids)
                if self._run is not None:
                    # The server drops the last word of a run where a poll comes at its end.
                    self._ended(self._run)
                elif self._stopped and run and self._awaited and self._awaited[0] not in run:
                    self.cut += 1
                    self._ended(self._stopped)
                self._run, self._stopped = run, ()
                if not self._run:
                    self._stop_timers()
                    self._drawn.clear()
                for page in message.new_session.app_pages:
                    self._pages[page.url_pathname] = page.page_script_hash
            case "navigation":
                for page in message.navigation.app_pages:
                    path = "" if page.is_default else page.url_pathname
                    self._pages[path] = page.page_script_hash
            case "page_info_changed":
                self.query = message.page_info_changed.query_string
            case "delta":
                self._draw(message)
            case "auto_rerun":
                self._time(message.auto_rerun.fragment_id, message.auto_rerun.interval)
            case "stop_auto_rerun":
                for fragment in message.stop_auto_rerun.fragment_ids:
                    self._stop_timers(fragment)
            case "script_finished":
                self._finished(message.script_finished)

    def _draw(self, message: ForwardMsg) -> None:
        delta = message.delta
        if delta.WhichOneof("type") != "new_element":
            return
        kind = delta.new_element.WhichOneof("type")
        drawn = getattr(delta.new_element, kind) if kind else None
        if kind == "exception":
            self.errors.append(f"{self.page}: {drawn.type} {drawn.message}")
        path = tuple(message.metadata.delta_path)
        if getattr(drawn, "id", ""):
            words = drawn.options if kind == "radio" else ()
            self._drawn[path] = Element(kind, drawn.id, delta.fragment_id, tuple(words))
        else:
            self._drawn.pop(path, None)

    def _finished(self, status: int) -> None:
        run, self._run = self._run, None
        if run is not None and status != ForwardMsg.FINISHED_EARLY_FOR_RERUN:
            self._ended(run)
        elif run:
            self._stopped = run

    def _ended(self, run: tuple[str, ...]) -> None:
        for fragment in run:
            if fragment in self._polled:
                self.polls.append(time.perf_counter() - self._polled.pop(fragment))
        if self._awaited is not None and (not run or self._awaited[0] in run):
            _, done = self._awaited
            self._awaited = None
            if not done.done():
                done.set_result(None)

    def _time(self, fragment: str, seconds: float) -> None:
        self._stop_timers(fragment)
        self._timers[fragment] = asyncio.create_task(self._poll(fragment, seconds))

    async def _poll(self, fragment: str, seconds: float) -> None:
        while True:
            await asyncio.sleep(seconds)
            self._polled.setdefault(fragment, time.perf_counter())
            await self._send(fragment, None, timer=True)

    def _stop_timers(self, fragment: str | None = None) -> None:
        for name in [fragment] if fragment else list(self._timers):
            self._polled.pop(name, None)
            if timer := self._timers.pop(name, None):
                timer.cancel()


@asynccontextmanager
async def browsing(url: str, hears: Callable[[bytes], object] = len) -> AsyncIterator[Browser]:
    """A browser of its own, connected to the server at `url` (http://host:port).

    Its cookie and its origin are those that a browser would send, so that the server's protection
    against forged requests applies.
    """
    cookie = await asyncio.to_thread(_cookie, url)
    stream = "ws" + url.removeprefix("http") + "/_stcore/stream"
    async with connect(stream, origin=url, subprotocols=["streamlit", cookie], max_size=None,
                       additional_headers={"Cookie": f"{XSRF}={cookie}"}) as socket:
        browser = Browser(socket, url, cookie, hears)
        browser.listening = asyncio.create_task(browser.listen())
        try:
            yield browser
        finally:
            browser._stop_timers()
            browser.listening.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await browser.listening


def _cookie(url: str) -> str:
    with urllib.request.urlopen(f"{url}/_stcore/health", timeout=60) as answer:
        return SimpleCookie(answer.headers["Set-Cookie"])[XSRF].value

