"""Every call of a session."""

from collections.abc import Awaitable, Callable

from tests.support.sessions import FOX
from vidgo_async import MediaFile, VidgoSession

Call = Callable[[VidgoSession], Awaitable[object]]
CALLS: dict[str, Call] = {
    "submit": lambda vidgo: vidgo.submit(FOX),
    "submit_many": lambda vidgo: vidgo.submit_many([FOX]),
    "generate": lambda vidgo: vidgo.generate(FOX),
    "get_task": lambda vidgo: vidgo.get_task("x"),
    "wait": lambda vidgo: vidgo.wait("x"),
    "as_completed": lambda vidgo: anext(aiter(vidgo.as_completed(["x"]))),
    "generate_many": lambda vidgo: anext(aiter(vidgo.generate_many([FOX]))),
    "download": lambda vidgo: vidgo.download(MediaFile("http://127.0.0.1/x"), "never.mp4"),
    "balance": lambda vidgo: vidgo.balance(),
}
