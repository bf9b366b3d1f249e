"""A live view of a batch, the same as the command-line program's.

    async for outcome in progress(vidgo.generate_many(requests), total=len(requests)):
        ...

On a terminal a bar, in a notebook a display, and elsewhere lines, on standard error. A terminal
needs `pip install 'vidgo_async[cli]'`.

- `iteration`: `progress`, a batch that is shown while its outcomes are taken
- `view`: what shows a batch: `View`
- `modes`: how it is shown where: `Mode`
- `snapshot`: what is shown of a batch at a moment
- `text`: the same in plain words; `cleaning`: text of others on one line
- `bar`: the same as styled lines, by rich
- `screen`: lines on a terminal, and the bar below them
- `output`: streams with their encodings, closed pipes
- `writer`: one thread at a time that writes, so that the event loop never waits for a terminal
- `prints`: where `print()` of the caller goes while there is a bar
- `notebook`: a display in Jupyter
"""

from vidgo_async.progress.iteration import Progress, progress
from vidgo_async.progress.modes import Mode
from vidgo_async.progress.view import View

__all__ = ["Mode", "Progress", "View", "progress"]
