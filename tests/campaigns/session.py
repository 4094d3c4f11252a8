"""A browser's half of one conversation with a running dashboard: open a page, press a button.

It speaks Streamlit's own protocol over its web socket, so the server does all that it does for a
browser, without one being started.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import ClientConnection, connect

PATIENCE = 60.0  # seconds for one drawing of a page


@dataclass(frozen=True)
class Drawn:
    """What the server sent for one drawing of a page: its elements, in order."""

    elements: tuple[Any, ...]

    @property
    def exceptions(self) -> list[str]:
        """The stack traces on the page."""
        return [element.exception.message for element in self.elements
                if element.WhichOneof("type") == "exception"]

    @property
    def alerts(self) -> list[str]:
        """The cards with sentences: errors, warnings, notices."""
        return [element.alert.body for element in self.elements
                if element.WhichOneof("type") == "alert"]

    def button(self, label: str) -> str:
        """The id of the button of that label. Raises LookupError where it is not there once."""
        found = [element.button.id for element in self.elements
                 if element.WhichOneof("type") == "button" and element.button.label == label]
        if len(found) != 1:
            raise LookupError(f"{len(found)} buttons are labelled {label!r}")
        return found[0]


@contextmanager
def session(url: str) -> Iterator["Session"]:
    """An open tab of the dashboard at `url` (http://...)."""
    with connect(f"ws{url.removeprefix('http')}/_stcore/stream", max_size=None,
                 subprotocols=["streamlit"], open_timeout=PATIENCE) as socket:
        yield Session(socket)


class Session:
    """A conversation with the server over its web socket."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket

    def open(self, page: str, query: Mapping[str, str] | None = None,
             press: str | None = None) -> Drawn:
        """Draw a page (its name in the address) and return what came; `press` is a button's id.

        Raises TimeoutError where the server does not finish the page.
        """
        ask = BackMsg()
        ask.rerun_script.page_name = page
        ask.rerun_script.query_string = urlencode(query or {})
        ask.rerun_script.context_info.url = "http://localhost/"
        if press is not None:
            state = ask.rerun_script.widget_states.widgets.add()
            state.id, state.trigger_value = press, True
        self._socket.send(ask.SerializeToString())
        return self._drawn()

    def _drawn(self) -> Drawn:
        elements: list[Any] = []
        while True:
            message = ForwardMsg.FromString(self._socket.recv(timeout=PATIENCE))
            kind = message.WhichOneof("type")
            if kind == "delta" and message.delta.WhichOneof("type") == "new_element":
                elements.append(message.delta.new_element)
            elif kind == "script_finished" and \
                    message.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY:
                return Drawn(tuple(elements))
